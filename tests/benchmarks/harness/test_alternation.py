"""Contenders of one process take turns."""

from __future__ import annotations

import time
from itertools import groupby

from benchmarks.harness.alternation import alternate
from fkd_infer.tuning.interleaved import WARM_UP_CALLS


def test_contenders_take_turns_in_blocks() -> None:
    called: list[str] = []
    calls = {name: lambda name=name: called.append(name) for name in ("first", "second", "third")}
    times = alternate(calls, blocks=4, seconds=0.0005)
    assert {name: len(blocks) for name, blocks in times.items()} == dict.fromkeys(calls, 4)
    turns = [name for name, _ in groupby(called)]
    assert 9 <= len(turns) <= 12, "neighbours may be of the same contender at the ends of rounds"
    for name, blocks in times.items():
        counted = sum(len(block) for block in blocks)
        assert called.count(name) == counted + 4 * WARM_UP_CALLS


def test_no_round_but_the_first_starts_after_the_end() -> None:
    times = alternate({"one": lambda: None}, blocks=4, seconds=0.0005, until=time.monotonic() - 1)
    assert len(times["one"]) == 1
