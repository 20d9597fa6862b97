"""Writes all files of a release into dist/release/: `python -m tools.release`, or `make release`.

The same commit gives the same bytes: archives are dated with the commit and built with the pinned
packages of this environment, without build isolation. Nothing is published.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from fkd_infer import __version__
from fkd_infer.system.files.reading import file_sha256
from tools.pins import REQUIREMENTS, ROOT
from tools.sbom import RUNTIMES, write_sboms

SUMS = "SHA256SUMS"
_FILE_MODE = 0o644 << 16
"""A file's permissions, where ZIP keeps them."""


def release(folder: Path, epoch: int) -> list[Path]:
    """Writes wheel, sdist, page, SBOMs, hashed requirements and checksums into the folder, emptied
    first; returns the paths. Files are dated `epoch` (seconds since 1970)."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    build(folder, epoch)
    with TemporaryDirectory() as page:
        build_page(Path(page))
        archive(Path(page), folder / f"fkd-web-{__version__}.zip", epoch)
    write_sboms(folder, epoch)
    for runtime in RUNTIMES:
        shutil.copy(REQUIREMENTS / f"{runtime}.txt", folder)
    (folder / SUMS).write_text(checksums(folder), encoding="ascii")
    return sorted(folder.iterdir())


def build(folder: Path, epoch: int) -> None:
    """Builds wheel and sdist; raises CalledProcessError with the build's output."""
    # All arguments come from this file.
    subprocess.run(  # nosec B603
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        check=True,
        capture_output=True,
        text=True,
    )


def build_page(folder: Path) -> None:
    """Builds the page for browsers; raises FileNotFoundError without npm, and
    CalledProcessError."""
    command = ["npm", "run", "build", "--prefix", str(ROOT / "web"), "--", "--outDir", str(folder)]
    # A fixed command, whatever npm is on the PATH.
    subprocess.run(command, check=True, capture_output=True, text=True)  # nosec B603


def archive(folder: Path, path: Path, epoch: int) -> None:
    """Writes the files of a folder as ZIP, in a folder named as the archive, in order and dated."""
    date = time.gmtime(epoch)[:6]
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        for member in sorted(each for each in folder.rglob("*") if each.is_file()):
            name = Path(path.stem) / member.relative_to(folder)
            entry = ZipInfo(name.as_posix(), date)
            entry.compress_type, entry.external_attr = ZIP_DEFLATED, _FILE_MODE
            file.writestr(entry, member.read_bytes())


def checksums(folder: Path) -> str:
    """Returns the content of SHA256SUMS, in the format of `sha256sum --check`."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS)
    return "".join(f"{file_sha256(path)}  {path.name}\n" for path in files)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # nosec B603


def main() -> int:
    """Writes the release of the current commit; returns 1 if the tree has other changes."""
    if changes := _git("status", "--porcelain"):
        print(f"not released, these changes are not committed:\n{changes}", end="", file=sys.stderr)
        return 1
    try:
        for path in release(ROOT / "dist/release", int(_git("log", "-1", "--format=%ct"))):
            print(path.relative_to(ROOT))
    except FileNotFoundError as error:
        print(f"not released: {error.filename} is not installed", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(error.stdout, error.stderr, sep="", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
