from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_page import TOKEN
from live_process import LiveProcess, run_live, write_video


@pytest.fixture(scope="package", autouse=True)
def _requirements() -> None:
    if sys.platform != "linux":
        pytest.skip("counts open sockets in /proc")
    for module in ("uvicorn", "starlette"):
        pytest.importorskip(module, reason="needs the live extra: pip install 'fkd[live]'")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("live") / "clip.mp4")


@pytest.fixture(scope="module")
def page(video: Path) -> Iterator[LiveProcess]:
    """A page on the loopback, without a token."""
    with run_live(video) as started:
        started.wait_for_idle()
        yield started


@pytest.fixture(scope="module")
def locked(video: Path) -> Iterator[LiveProcess]:
    """A page for other machines, with a token."""
    with run_live(video, "--host", "0.0.0.0", "--token", TOKEN) as started:
        yield started
