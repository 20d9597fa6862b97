"""Packages in pieces: packed here, installed where no package index is reached."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest
from repo_paths import ROOT

from tools.fat_binaries import Code, fat_binaries, keep_generation
from tools.offline import PIECE_BYTES, install, main, pack

SCRIPT = ROOT / "tools" / "offline.py"


def write_wheel(path: Path, files: Mapping[str, bytes]) -> Path:
    with ZipFile(path, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    return path


def metadata(name: str, version: str) -> bytes:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    """A runtime of 3 MB that does not pack well, and a small package of its own folders."""
    runtime = {
        "runtime/__init__.py": b"version = 'for GPUs'",
        "runtime/library.so.1": os.urandom(3 << 20),
        "runtime_gpu-1.0.dist-info/METADATA": metadata("runtime-gpu", "1.0"),
    }
    small = {
        "small-2.0.data/purelib/small.py": (
            b"import machine, runtime\nprint(machine.of, runtime.version)"
        ),
        "small-2.0.data/scripts/small": b"#!/bin/sh",
    }
    return [
        write_wheel(tmp_path / "runtime_gpu-1.0-py3-none-any.whl", runtime),
        write_wheel(tmp_path / "small-2.0-py3-none-any.whl", small),
    ]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The packages of a machine: one of its own, and the runtime in another build."""
    site = tmp_path / "machine" / "site-packages"
    for name, files in {
        "machine": {"__init__.py": "of = 'this machine'"},
        "machine-3.0.dist-info": {
            "METADATA": metadata("machine", "3.0").decode(),
            "RECORD": "machine/__init__.py,,\nmachine-3.0.dist-info/METADATA,,\n",
        },
        "runtime": {"__init__.py": "version = 'for CPUs'"},
        "runtime-0.9.dist-info": {
            "METADATA": metadata("runtime", "0.9").decode(),
            "RECORD": "runtime/__init__.py,,\nruntime-0.9.dist-info/METADATA,,\n",
        },
    }.items():
        (site / name).mkdir(parents=True)
        for file, text in files.items():
            (site / name / file).write_text(text)
    return site


def run(*command: str | Path, path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_bare_machine_runs_the_packages_that_came_beside_its_own(
    wheels: list[Path], machine: Path, tmp_path: Path
) -> None:
    pieces, venv = tmp_path / "pieces", tmp_path / "venv"
    assert main(["pack", *map(str, wheels), "--out", str(pieces), "--piece-mib", "1"]) == 0
    names = sorted(path.name for path in pieces.iterdir())
    assert names == [*(f"packages.tar.xz.{number:02}" for number in range(4)), "pieces.json"]
    assert max(path.stat().st_size for path in pieces.iterdir()) == 1 << 20
    alone = shutil.copy(SCRIPT, tmp_path)  # it needs no other file there
    done = run(sys.executable, alone, "install", pieces, "--into", venv, path=machine)
    assert done.returncode == 0, done.stderr
    assert "runtime" in done.stdout
    asked = run(venv / "bin" / "python", "-c", "import small", path=tmp_path)
    assert asked.stdout == "this machine for GPUs\n", asked.stderr
    code = "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))"
    installed = run(venv / "bin" / "python", "-c", code, path=tmp_path).stdout.split()
    assert "machine" in installed
    assert "runtime-gpu" in installed
    assert "runtime" not in installed
    assert not (venv / "bin" / "small").exists()


@pytest.mark.parametrize("problem", ["missing", "damaged"])
def test_a_piece_that_did_not_arrive_is_named(
    problem: str, wheels: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pieces = tmp_path / "pieces"
    pack(wheels, pieces, 1 << 20, None)
    piece = pieces / "packages.tar.xz.01"
    piece.unlink()
    if problem == "damaged":
        piece.write_bytes(b"half of it")
    into = tmp_path / "venv"
    assert main(["install", str(pieces), "--into", str(into)]) == 1
    assert capsys.readouterr().err == f"offline: {piece} is {problem}; bring it again\n"
    assert not into.exists()


def test_errors_are_one_line(
    wheels: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, text in (
        (["pack", str(SCRIPT), "--out", str(tmp_path / "a")], f"{SCRIPT}: not a wheel: "),
        (["pack", str(tmp_path / "no.whl"), "--out", str(tmp_path / "a")], "not a wheel: "),
        (["install", str(tmp_path), "--into", str(tmp_path / "b")], "has no pieces.json"),
        (["install", str(tmp_path), "--into", str(tmp_path)], "exists already"),
    ):
        assert main(arguments) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert text in line
    assert not (tmp_path / "a" / "pieces.json").exists()


def test_packing_again_leaves_nothing_of_the_last_time(wheels: list[Path], tmp_path: Path) -> None:
    pack(wheels, tmp_path / "pieces", 1 << 20, None)
    pack(wheels[1:], tmp_path / "pieces", PIECE_BYTES, None)
    checksums = json.loads((tmp_path / "pieces" / "pieces.json").read_text())
    assert list(checksums) == ["packages.tar.xz.00"]
    assert {path.name for path in (tmp_path / "pieces").iterdir()} == {*checksums, "pieces.json"}


def entry(kind: int, generation: int, code: bytes) -> bytes:
    header = struct.pack("<HHIQ12xI32x", kind, 0x101, 64, len(code), generation)
    assert len(header) == 64
    return header + code


def fat_binary(*entries: bytes) -> bytes:
    content = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(content)) + content


PTX, MACHINE_CODE = 1, 2
OTHERS = b"\x11" * 800, b"\x22" * 400
KEPT = b"\x33" * 600
LIBRARY = b"".join(
    (
        b"host code",
        fat_binary(
            entry(MACHINE_CODE, 80, OTHERS[0]),
            entry(MACHINE_CODE, 90, KEPT),
            entry(PTX, 90, OTHERS[1]),
        ),
        b"more host code",
        fat_binary(entry(MACHINE_CODE, 80, OTHERS[0]), entry(PTX, 80, OTHERS[1])),
        struct.pack("<I", 0xBA55ED50) + b"looks like one",
    )
)


def test_only_the_code_of_other_generations_is_erased() -> None:
    library = bytearray(LIBRARY)
    assert keep_generation(library, 90) == len(OTHERS[0]) + len(OTHERS[1])
    assert len(library) == len(LIBRARY)
    first, second = fat_binaries(library)
    assert [bytes(library[c.start : c.end]) for c in first] == [bytes(800), KEPT, bytes(400)]
    assert [bytes(library[c.start : c.end]) for c in second] == list(OTHERS)
    codes = [(code.kind, code.generation) for code in first]
    assert codes == [(MACHINE_CODE, 80), (MACHINE_CODE, 90), (PTX, 90)]
    erased = {at for c in first if c.generation == 80 or c.kind == PTX for at in range(*c[:2])}
    assert all(library[at] == LIBRARY[at] for at in range(len(LIBRARY)) if at not in erased)


def test_a_library_without_that_generation_stays_whole() -> None:
    library = bytearray(LIBRARY)
    assert keep_generation(library, 70) == 0
    assert library == LIBRARY


@pytest.mark.parametrize("length", [4, 10, 20, 60, 90, 500])
def test_a_library_that_ends_in_a_fat_binary_is_read_without_error(length: int) -> None:
    codes: list[list[Code]] = list(fat_binaries(LIBRARY[9 : 9 + length]))
    assert codes == []


def test_packs_libraries_for_one_generation(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "gpu-1-py3-none-any.whl", {"gpu/library.so.1": LIBRARY})
    pack([wheel], tmp_path / "pieces", PIECE_BYTES, 90)
    install(tmp_path / "pieces", tmp_path / "venv")
    (library,) = (tmp_path / "venv").glob("lib/*/site-packages/gpu/library.so.1")
    content = library.read_bytes()
    assert KEPT in content
    assert content.count(OTHERS[0]) == 1
