"""A run folder is trained into by one run at a time."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import filelock
import pytest

from fkd_train.errors import RunError
from fkd_train.training.run_lock import LOCK_FILE, run_lock


def test_a_second_run_is_refused_by_name_and_the_file_stays(tmp_path: Path) -> None:
    with run_lock(tmp_path / "run"):
        line = rf"run: process {os.getpid()} on .* trains into it; wait for it, or choose another"
        with pytest.raises(RunError, match=line), run_lock(tmp_path / "run"):
            pass
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK_FILE]
    with run_lock(tmp_path / "run"):
        pass


def test_trains_without_a_lock_where_the_file_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(lock: filelock.BaseFileLock) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "_acquire", no_locks)
    with run_lock(tmp_path / "run"), run_lock(tmp_path / "run"):
        pass
