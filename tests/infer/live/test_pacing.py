"""The playback clock."""

from __future__ import annotations

from fractions import Fraction

import pytest

from fkd_infer.live.pacing import PlaybackClock


def test_frames_are_due_at_their_times() -> None:
    clock = PlaybackClock()
    assert clock.wait(Fraction(0), 100.0) == 0
    assert clock.wait(Fraction(1, 2), 100.1) == pytest.approx(0.4)
    assert clock.wait(Fraction(1), 101.2) == pytest.approx(-0.2)


def test_a_restarted_file_shows_its_last_frame_as_long_as_the_others() -> None:
    clock = PlaybackClock()
    clock.wait(Fraction(0), 100.0)
    clock.wait(Fraction(1, 10), 100.1)
    clock.restart()
    assert clock.wait(Fraction(0), 100.1) == pytest.approx(0.1)


def test_a_slow_machine_plays_slower_and_does_not_catch_up() -> None:
    clock = PlaybackClock()
    clock.wait(Fraction(0), 100.0)
    assert clock.wait(Fraction(1), 105.0) == 0
    assert clock.wait(Fraction(2), 105.0) == pytest.approx(1)
