"""Files of the driver, such as a model, that workers need: sent as bytes, written once per node."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fkd_infer.errors import OutputError
from fkd_infer.system.files.atomic import atomic_write


@dataclass(frozen=True)
class ShippedFile:
    """A file, or all files of a folder, by their paths below it; a single file's path is ""."""

    name: str
    content: Mapping[str, bytes]

    @classmethod
    def read(cls, path: Path) -> ShippedFile:
        """Reads a file or a folder with all below it."""
        if path.is_file():
            return cls(path.name, {"": path.read_bytes()})
        files = sorted(file for file in path.rglob("*") if file.is_file())
        content = {file.relative_to(path).as_posix(): file.read_bytes() for file in files}
        return cls(path.name, content)

    def write(self) -> Path:
        """Writes it below this machine's temporary folder, under a name of its content, unless it
        is there; returns its path."""
        digest = hashlib.sha256()
        for path, data in self.content.items():
            digest.update(hashlib.sha256(path.encode()).digest() + hashlib.sha256(data).digest())
        place = Path(tempfile.gettempdir(), "fkd-shipped", digest.hexdigest()[:32], self.name)
        for path, data in self.content.items():
            file = place / path if path else place
            if not (file.is_file() and file.stat().st_size == len(data)):
                with atomic_write(file) as partial:
                    partial.write_bytes(data)
            if file.read_bytes() != data:
                raise OutputError(file, "it has other content than was written", "remove it")
        return place
