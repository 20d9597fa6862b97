"""Manifests: what the model files of a folder have to be."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from fkd_infer.errors import ManifestError
from fkd_infer.system.files.reading import read_regular
from fkd_infer.system.files.strict_dataclass import MismatchError, parse_dataclass
from fkd_infer.system.files.text_checks import file_name_problem, short_repr

MANIFEST = "manifest.toml"
_LARGEST = 1_000_000
"""Bytes of a manifest."""
_MOST = 1 << 40
"""Bytes of a file in it."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its sha256 and its bytes; `wheel` where fkd's wheel has it too.

    Raises ValueError for what can be no file's.
    """

    sha256: str
    bytes: int
    wheel: bool = False

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"sha256 is {short_repr(self.sha256)}, and has 64 digits from 0 to f")
        if not 1 <= self.bytes <= _MOST:
            raise ValueError(f"bytes is {short_repr(self.bytes)}, and a file has 1 to {_MOST}")


def read_manifest(path: Path) -> dict[str, Entry]:
    """Name → what is to be there, of a TOML file with a table for each file beside it.

    Raises ManifestError.
    """
    try:
        table = tomllib.loads(read_regular(path, _LARGEST).decode())
    except OSError as error:
        raise ManifestError(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise ManifestError(path, "not UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise ManifestError(path, f"not TOML: {short_repr(str(error))}") from error
    if not table:
        raise ManifestError(path, "it names no files")
    for name in table:
        if problem := file_name_problem(name):
            raise ManifestError(path, f"the name {short_repr(name)} {problem}")
    try:
        return {name: parse_dataclass(Entry, entry, name) for name, entry in table.items()}
    except MismatchError as error:
        raise ManifestError(path, str(error)) from error
