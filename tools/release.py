"""Writes all files of a release into dist/: `python -m tools.release`, or `make release`.

The same commit gives the same bytes: archives are dated with the commit and built with the pinned
packages of this environment, without build isolation. Nothing is published.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from fkd_infer.system.files.reading import file_sha256
from tools.pins import REQUIREMENTS, ROOT
from tools.sbom import RUNTIMES, write_sboms

SUMS = "SHA256SUMS"


def release(folder: Path, epoch: int) -> list[Path]:
    """Writes wheel, sdist, SBOMs, hashed requirements and checksums into the folder, emptied first;
    returns the paths. Files are dated `epoch` (seconds since 1970)."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    build(folder, epoch)
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
        for path in release(ROOT / "dist", int(_git("log", "-1", "--format=%ct"))):
            print(path.relative_to(ROOT))
    except subprocess.CalledProcessError as error:
        print(error.stdout, error.stderr, sep="", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
