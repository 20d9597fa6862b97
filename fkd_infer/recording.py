"""Which files of records were asked for."""

from __future__ import annotations

from pathlib import Path

from fkd_infer.coco import CocoSink
from fkd_infer.names import Extra
from fkd_infer.npz import NpzSink
from fkd_infer.records import CsvSink, JsonLinesSink, RecordSink
from fkd_infer.schemes import LandmarkScheme


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
