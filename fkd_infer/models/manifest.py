"""Manifests: sizes and sha256 of the model files in a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fkd_infer.errors import ManifestError
from fkd_infer.system.files.reading import read_regular
from fkd_infer.system.files.strict_dataclass import MismatchError, parse_dataclass
from fkd_infer.system.files.text_checks import file_name_problem, short_repr

MANIFEST = "manifest.toml"
_MAX_MANIFEST_BYTES = 1_000_000
_MAX_FILE_BYTES = 1 << 40
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """The sha256 and size of a file, and whether fkd's wheel contains it.

    Raises ValueError for values that no file has.
    """

    sha256: str
    bytes: int
    wheel: bool = False

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            digest = short_repr(self.sha256)
            raise ValueError(f"sha256 is {digest}, but must have 64 digits from 0 to f")
        if not 1 <= self.bytes <= _MAX_FILE_BYTES:
            size = short_repr(self.bytes)
            raise ValueError(f"bytes is {size}, but must be from 1 to {_MAX_FILE_BYTES}")


def read_manifest(path: Path) -> dict[str, ManifestEntry]:
    """Reads a TOML file with a table for each file beside it; raises ManifestError."""
    import tomllib  # here, so that load() does not wait for it

    try:
        tables = tomllib.loads(read_regular(path, _MAX_MANIFEST_BYTES).decode())
    except OSError as error:
        raise ManifestError(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise ManifestError(path, "not UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise ManifestError(path, f"not TOML: {short_repr(str(error))}") from error
    if not tables:
        raise ManifestError(path, "it names no files")
    for name in tables:
        if problem := file_name_problem(name):
            raise ManifestError(path, f"the name {short_repr(name)} {problem}")
    try:
        return {name: parse_dataclass(ManifestEntry, table, name) for name, table in tables.items()}
    except MismatchError as error:
        raise ManifestError(path, str(error)) from error
