"""Which files of records were asked for."""

from __future__ import annotations

from pathlib import Path

from fkd_infer.choices import Extra
from fkd_infer.formats.base import RecordSink
from fkd_infer.formats.coco import CocoSink
from fkd_infer.formats.jsonl_csv import CsvSink, JsonLinesSink
from fkd_infer.formats.npz import NpzSink
from fkd_infer.landmarks.schemes import LandmarkScheme


def open_records(
    json: Path | None,
    csv: Path | None,
    coco: Path | None,
    npz: Path | None,
    scheme: LandmarkScheme,
    extras: frozenset[Extra] = frozenset(),
) -> list[RecordSink]:
    """Sinks for those that have a path, each to be entered with `with`.

    `extras` go into all but COCO's document. Raises OutputError for a format that cannot go to
    standard output.
    """
    sinks: list[RecordSink] = []
    if json is not None:
        sinks.append(JsonLinesSink(json, scheme, extras))
    if csv is not None:
        sinks.append(CsvSink(csv, scheme, extras))
    if coco is not None:
        sinks.append(CocoSink(coco, scheme))
    if npz is not None:
        sinks.append(NpzSink(npz, scheme, extras))
    return sinks
