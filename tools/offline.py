"""Brings packages to a machine that reaches no package index, in pieces of a few megabytes.

    python -m tools.offline pack WHEEL… --out PIECES     here: writes the pieces
    python tools/offline.py install PIECES --into VENV   there: needs nothing but Python

`install` makes a virtual environment of the packages that came and of links to those that the
machine has; of a package that both have, it takes the one that came. So `VENV/bin/python` runs with
the machine's torch, whose CUDA libraries an ONNX Runtime for GPUs finds beside itself.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import lzma
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import IO, TYPE_CHECKING
from venv import EnvBuilder

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

PIECE_BYTES = 20 << 20
_LIST = "pieces.json"
_NAME = "packages.tar.xz"
_LIBRARY_FOLDERS = ("purelib", "platlib")


class OfflineError(Exception):
    """Something that cannot be packed or installed; the text is one line."""


def pack(wheels: Sequence[Path], folder: Path, piece_bytes: int, generation: int | None) -> int:
    """Packs the contents of wheels into pieces, with a list of their checksums, written last;
    returns how many bytes. With `generation`, GPUs' machine code of all others is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob(f"{_NAME}.*"), *folder.glob(_LIST)):
        old.unlink()
    pieces = _PieceWriter(folder, piece_bytes)
    with (
        io.BufferedWriter(pieces) as joined,
        lzma.open(joined, "wb") as packed,
        tarfile.open(fileobj=packed, mode="w|") as archive,
    ):
        for wheel in wheels:
            for name, content in _wheel_files(wheel, generation):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o644
                archive.addfile(member, io.BytesIO(content))
    (folder / _LIST).write_text(json.dumps(pieces.checksums, indent=1))
    return sum(path.stat().st_size for path in folder.glob(f"{_NAME}.*"))


def _wheel_files(wheel: Path, generation: int | None) -> Iterator[tuple[str, bytes]]:
    """Yields the files of a wheel, by their place below site-packages; no scripts, no headers."""
    try:
        with zipfile.ZipFile(wheel) as opened:
            for info in opened.infolist():
                if not info.is_dir() and (name := _place(info.filename)):
                    content = opened.read(info)
                    if generation is not None and ".so" in Path(name).suffixes:
                        content = _of_generation(content, generation)
                    yield name, content
    except (OSError, zipfile.BadZipFile) as error:
        raise OfflineError(f"{wheel}: not a wheel: {error}") from error


def _place(name: str) -> str:
    """Returns where a wheel's file lies below site-packages, empty for scripts and headers."""
    top, _, rest = name.partition("/")
    if not top.endswith(".data"):
        return name
    kind, _, place = rest.partition("/")
    return place if kind in _LIBRARY_FOLDERS else ""


def _of_generation(library: bytes, generation: int) -> bytes:
    from tools.fat_binaries import keep_generation

    changed = bytearray(library)
    keep_generation(changed, generation)
    return bytes(changed)


class _PieceWriter(io.RawIOBase):
    """A file in pieces: NAME.00, NAME.01, …"""

    def __init__(self, folder: Path, piece_bytes: int) -> None:
        self.checksums: dict[str, str] = {}
        self._folder, self._piece_bytes = folder, piece_bytes
        self._buffer = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        self._buffer += data
        while len(self._buffer) >= self._piece_bytes:
            self._write_piece()
        return memoryview(data).nbytes

    def close(self) -> None:
        if self._buffer:
            self._write_piece()
        super().close()

    def _write_piece(self) -> None:
        content = bytes(self._buffer[: self._piece_bytes])
        del self._buffer[: self._piece_bytes]
        name = f"{_NAME}.{len(self.checksums):02}"
        (self._folder / name).write_bytes(content)
        self.checksums[name] = hashlib.sha256(content).hexdigest()


def install(folder: Path, into: Path) -> list[str]:
    """Makes a virtual environment of the pieces and of links to this machine's packages; returns
    the names of the packages of this machine that were replaced."""
    if into.exists():
        raise OfflineError(f"{into} exists already; name another folder")
    archive = _joined(folder)
    EnvBuilder(with_pip=False, symlinks=True).create(into)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = into / "lib" / version / "site-packages"
    with lzma.open(archive) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        tar.extractall(site, filter="data")
    return _link_packages(site, [Path(entry) for entry in sys.path])


def _joined(folder: Path) -> IO[bytes]:
    """Returns the archive that the pieces are of, once all of them are there and whole."""
    try:
        checksums: dict[str, str] = json.loads((folder / _LIST).read_text())
    except OSError as error:
        raise OfflineError(f"{folder} has no {_LIST}, which is written last") from error
    joined = io.BytesIO()
    for name, expected in checksums.items():
        piece = folder / name
        content = piece.read_bytes() if piece.is_file() else b""
        if hashlib.sha256(content).hexdigest() != expected:
            problem = "damaged" if content else "missing"
            raise OfflineError(f"{piece} is {problem}; bring it again")
        joined.write(content)
    joined.seek(0)
    return joined


def _link_packages(site: Path, folders: Sequence[Path]) -> list[str]:
    """Links what lies in folders of packages into `site`, except what is replaced there; returns
    the names of the packages whose modules are."""
    own = {entry.name for entry in site.iterdir()}
    replaced: set[str] = set()
    for folder in folders:
        if folder.name not in ("site-packages", "dist-packages") or not folder.is_dir():
            continue
        left_out = _metadata_of_replaced(folder, own)
        replaced |= set(left_out.values())
        for entry in sorted(folder.iterdir()):
            link = site / entry.name
            if entry.name != "__pycache__" and entry.name not in left_out and not link.exists():
                link.symlink_to(entry)
    return sorted(replaced)


def _metadata_of_replaced(folder: Path, own: set[str]) -> dict[str, str]:
    """Returns the .dist-info folders of packages with a module that is replaced, with their names:
    without it, what asks for installed packages would find two."""
    found = {}
    for package in distributions(path=[str(folder)]):
        parts = {file.parts[0] for file in package.files or ()}
        metadata = {part for part in parts if part.endswith(".dist-info")}
        if own & (parts - metadata - {"..", "__pycache__"}):
            found.update(dict.fromkeys(metadata, package.metadata["Name"]))
    return found


def main(arguments: Sequence[str]) -> int:
    """Packs or installs; returns 1 after one line that says why it cannot."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="write wheels in pieces")
    packing.add_argument("wheels", nargs="+", type=Path)
    packing.add_argument("--out", type=Path, required=True, help="folder of the pieces")
    packing.add_argument("--piece-mib", type=int, default=PIECE_BYTES >> 20, help="size of a piece")
    packing.add_argument(
        "--gpu-generation",
        type=int,
        metavar="N",
        help="keep machine code for this generation of NVIDIA's GPUs alone: 90 for Hopper",
    )
    installing = commands.add_parser("install", help="make a virtual environment of pieces")
    installing.add_argument("pieces", type=Path)
    installing.add_argument("--into", type=Path, required=True, help="folder of the environment")
    given = parser.parse_args(arguments)
    try:
        if given.command == "pack":
            size = pack(given.wheels, given.out, given.piece_mib << 20, given.gpu_generation)
            print(f"{given.out}: {size / 1e6:.1f} MB")
        else:
            replaced = install(given.pieces, given.into)
            print(f"{given.into / 'bin' / 'python'}, with other {', '.join(replaced) or 'none'}")
    except OfflineError as error:
        print(f"offline: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
