from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from live_page import TOKEN, drawn_frames, endless_frames, live_runner, serve

from fkd_infer.live.source import LiveSource

if TYPE_CHECKING:
    from fkd_infer.live.server import LiveServer


@pytest.fixture
def server() -> Iterator[LiveServer]:
    """A page on the loopback, without a token."""
    with serve(live_runner(endless_frames())) as running:
        yield running


@pytest.fixture
def locked() -> Iterator[LiveServer]:
    """A page for other machines, with a token."""
    with serve(live_runner(endless_frames()), TOKEN, "0.0.0.0") as running:
        yield running


@pytest.fixture
def two_sources() -> Iterator[LiveServer]:
    """A page with another source to choose."""
    other = LiveSource("other.mp4", drawn_frames(None, size=(64, 48)), repeated=True)
    live = live_runner(endless_frames(), others=[other])
    with serve(live, titles=["clip.mp4", "other.mp4"]) as running:
        yield running
