"""Locks on open files."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from fkd_infer.system.files.lock import is_open_at, open_locked, try_lock, wait_for_lock


@pytest.fixture
def held(tmp_path: Path) -> Iterator[int]:
    """A file `a` that is open and locked."""
    file = open_locked(tmp_path / "a")
    assert file is not None
    yield file
    os.close(file)


def test_a_second_holder_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    first = open_locked(tmp_path / "a")
    assert first is not None
    assert open_locked(tmp_path / "a") is None
    os.close(first)
    second = open_locked(tmp_path / "a")
    assert second is not None
    os.close(second)


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time\n"
        "from fkd_infer.system.files.lock import open_locked\n"
        "print(open_locked(pathlib.Path(sys.argv[1])), flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdigit()
        assert open_locked(tmp_path / "a") is None
        process.kill()
    file = open_locked(tmp_path / "a")
    assert file is not None
    os.close(file)


def test_content_of_a_file_that_was_left_stays(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("left")
    file = open_locked(tmp_path / "a")
    assert file is not None
    assert os.read(file, 9) == b"left"
    os.close(file)


def test_a_renamed_file_is_not_at_its_path_and_another_can_be_locked(
    held: int, tmp_path: Path
) -> None:
    assert is_open_at(held, tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert not is_open_at(held, tmp_path / "a")
    other = open_locked(tmp_path / "a")
    assert other is not None
    assert not is_open_at(held, tmp_path / "a"), "it is another file"
    os.close(other)


def test_waiting_ends_without_the_lock(held: int, tmp_path: Path) -> None:
    file = os.open(tmp_path / "a", os.O_RDWR)
    started = time.monotonic()
    wait_for_lock(file, timeout_s=0.1)
    assert time.monotonic() - started >= 0.1
    assert not try_lock(file)
    os.close(file)


def test_goes_on_where_the_file_system_has_no_locks(
    held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(file: int, *, blocking: bool) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock, "lock_descriptor", no_locks)
    file = open_locked(tmp_path / "a")
    assert file is not None
    os.close(file)
