"""Times contenders of one process in turns.

For work on a GPU: threads of the CPU that spin would slow the other contenders down, so contenders
on the CPU have processes of their own (`fkd_infer.tuning.interleaved`).
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping

from fkd_infer.tuning.interleaved import time_calls


def alternate(
    calls: Mapping[str, Callable[[], object]],
    blocks: int,
    seconds: float,
    until: float = math.inf,
) -> dict[str, list[list[float]]]:
    """Returns the seconds of each call, by contender and block.

    Each contender runs `blocks` blocks of `seconds`, one per round, in random order; no round but
    the first starts after `until`, a time of time.monotonic.
    """
    times: dict[str, list[list[float]]] = {name: [] for name in calls}
    for number in range(blocks):
        if number and time.monotonic() > until:
            break
        # Shuffling, not cryptography.
        for name in random.sample(list(calls), len(calls)):  # nosec B311
            times[name].append(time_calls(calls[name], seconds))
    return times
