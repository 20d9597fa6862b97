"""Timing by turns, in processes of their own."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from fkd_infer.errors import ContenderError
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.tuning.interleaved import Contender, time_calls, time_interleaved
from fkd_infer.tuning.session_worker import session_contender


def sleeper(name: str, seconds: float) -> Contender:
    code = (
        "import time; from fkd_infer.tuning.interleaved import serve; "
        f"serve(lambda: time.sleep({seconds}))"
    )
    return Contender(name, [sys.executable, "-c", code])


def test_contenders_take_turns_and_their_calls_are_timed() -> None:
    times = time_interleaved(
        [sleeper("short", 0.001), sleeper("long", 0.01)], blocks=3, seconds=0.05
    )
    assert {name: len(blocks) for name, blocks in times.items()} == {"short": 3, "long": 3}
    for name, seconds in (("short", 0.001), ("long", 0.01)):
        assert all(call >= seconds for block in times[name] for call in block)


def test_the_first_round_is_complete_and_no_other_starts_late() -> None:
    times = time_interleaved([sleeper("a", 0.001)], blocks=9, seconds=0.01, until=time.monotonic())
    assert len(times["a"]) == 1


def test_a_contender_that_ends_early_is_named_with_its_last_line() -> None:
    broken = Contender("broken", [sys.executable, "-c", "raise SystemExit('no such network')"])
    with pytest.raises(ContenderError, match="broken could not be timed: no such network"):
        time_interleaved([broken], blocks=1)


def test_a_contender_that_ends_in_its_turn_is_named() -> None:
    code = "print('hello'); print('ready', flush=True); input(); raise SystemExit('gone')"
    with pytest.raises(ContenderError, match="gone"):
        time_interleaved([Contender("late", [sys.executable, "-c", code])], blocks=1)


def test_warm_up_calls_do_not_count() -> None:
    calls: list[int] = []
    assert len(time_calls(lambda: calls.append(0), 0.0)) == 1
    assert len(calls) == 6


def test_a_session_is_a_contender(fixed_model: Path) -> None:
    one = session_contender("fixed", fixed_model, SessionSettings(1), batch=3)
    assert time_interleaved([one], blocks=1, seconds=0.01)["fixed"][0]
