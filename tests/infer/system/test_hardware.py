"""Cores and features of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fkd_infer.system import hardware
from fkd_infer.system.hardware import available_threads, cgroup_limit, cpu_features, cpu_name


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_lowest_limit_of_all_parent_groups_counts(tmp_path: Path) -> None:
    write(tmp_path / "own", "0::/a/b\n")
    write(tmp_path / "cg" / "cpu.max", "max 100000\n")
    write(tmp_path / "cg" / "a" / "cpu.max", "150000 100000\n")
    write(tmp_path / "cg" / "a" / "b" / "cpu.max", "400000 100000\n")
    assert cgroup_limit(tmp_path / "cg", tmp_path / "own") == 1.5


def test_reads_version_1_of_control_groups(tmp_path: Path) -> None:
    write(tmp_path / "own", "5:memory:/m\n4:cpu,cpuacct:/docker/x\n")
    write(tmp_path / "cg" / "cpu" / "docker" / "x" / "cpu.cfs_quota_us", "300000\n")
    write(tmp_path / "cg" / "cpu" / "docker" / "x" / "cpu.cfs_period_us", "100000\n")
    assert cgroup_limit(tmp_path / "cg", tmp_path / "own") == 3.0


def test_no_limit_is_none(tmp_path: Path) -> None:
    write(tmp_path / "cg" / "cpu.cfs_quota_us", "-1\n")
    write(tmp_path / "cg" / "cpu.cfs_period_us", "100000\n")
    assert cgroup_limit(tmp_path / "cg", tmp_path / "nothing") is None


@pytest.mark.parametrize(("limit", "threads"), [(None, 8), (2.5, 2), (0.5, 1), (64.0, 8)])
def test_threads_are_bounded_by_affinity_and_limit(
    limit: float | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(hardware, "cgroup_limit", lambda: limit)
    assert available_threads() == threads


def test_reads_the_cpu_from_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path / "cpuinfo", "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 f16c\n"
    )
    monkeypatch.setattr(hardware, "_CPUINFO", tmp_path / "cpuinfo")
    assert cpu_name() == "Some CPU"
    assert cpu_features() == ("avx2", "f16c")


def test_without_proc_no_features_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "_CPUINFO", tmp_path / "nothing")
    assert cpu_features() == ()
