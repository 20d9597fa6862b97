"""The folder of parts as the state of a run: which sources are complete, and with what settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fkd_infer.errors import ResumeError
from fkd_infer.formats.parquet import METADATA_KEY
from fkd_infer.formats.registry import part_files
from fkd_infer.stores.access import fetch, find
from fkd_infer.stores.address import Place
from fkd_infer.stores.temporary import temporary_folder
from fkd_infer.system.hash_set import HashSet

COMPLETED_KEY = "fkd.completed"
_START_ANEW = "use the same ones, or choose another folder"


def read_completed(folder: Place, settings: Mapping[str, object]) -> HashSet:
    """The sources that earlier runs completed in a folder.

    Raises ResumeError for a file that is no part of such a run, and for other settings.
    """
    completed = HashSet()
    for part in part_files(folder):
        try:
            metadata = _metadata(part)
            about = json.loads(metadata[METADATA_KEY])
            names = json.loads(metadata[COMPLETED_KEY.encode()])
            earlier: dict[str, Any] = about["settings"]
        except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
            problem = "not a part of a run with --ray"
            raise ResumeError(part, problem, "choose another folder") from error
        own = json.loads(json.dumps(dict(settings)))
        names_of_settings = sorted(own.keys() | earlier.keys())
        changed = [name for name in names_of_settings if own.get(name) != earlier.get(name)]
        if changed:
            why = f"the earlier run here had other settings ({', '.join(changed)})"
            raise ResumeError(folder, why, _START_ANEW)
        for name in names:
            completed.add(name)
    return completed


def _metadata(part: Place) -> Mapping[bytes, bytes]:
    """What a file says of itself."""
    if isinstance(part, Path):
        return pq.read_metadata(part).metadata or {}
    stored = find(part)
    with temporary_folder() as folder:
        if stored is None:
            return {}
        fetch(stored, folder / part.name)
        return pq.read_metadata(folder / part.name).metadata or {}
