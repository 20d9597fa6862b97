"""The search of `fkd-infer tune`: how a model is best run here, one question at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from fkd_infer.choices import BATCH, GRAPH_LEVELS, Goal
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.tuned_profile import ModelVariant, Profile, ProfileKey
from fkd_infer.system.files.reading import file_sha256
from fkd_infer.system.hardware import available_threads
from fkd_infer.tuning.interleaved import WARM_UP_CALLS, Contender, time_interleaved
from fkd_infer.tuning.pipeline_worker import pipeline_contender
from fkd_infer.tuning.session_worker import session_contender
from fkd_infer.tuning.trial import LEAST_ROUNDS, RULE, RunConfig, Trial, best_of
from fkd_infer.tuning.variants import compare_accuracy, read_card, variants_of

Tell = Callable[[str], None]

BATCHES = (1, 4, 8, 16, 32, 64)
_SHARES = {"file": 2, "threads and spinning": 3, "graph level": 2, "all of it": 2, "batch": 2}
"""What is asked, in this order, and its part of the time."""
_AIMS: dict[Goal, str] = {"pipeline": "pipelines", "latency": "single calls"}
_UNITS: dict[Goal, str] = {"pipeline": "ms a frame", "latency": "ms a call"}
_STARTING = 2.0
"""Seconds that contenders may need until they are ready; with less, nothing is asked."""
_MOST_ROUNDS = 1000


def tune(model: Path, goal: Goal, seconds: float, only_this_file: bool, tell: Tell) -> Profile:
    """The best way to run a model file on this machine, found within so many seconds.

    `tell` gets a line, or a table, whenever there is something to say.
    """
    key = ProfileKey.of(model)
    tell(f"Tuning {model} for {_AIMS[goal]}, on {key.cpu} with {key.threads} threads at most,")
    tell(f"ONNX Runtime {key.onnxruntime}; this takes up to {seconds:g} s.")
    busy = busy_warning()
    if busy:
        tell(busy)
    tell(f"{RULE}\n")
    search = _Search(model, goal, seconds, tell)
    if not only_this_file:
        search.ask("file", _files(search.best))
    search.ask("threads and spinning", _thread_settings(search.best))
    search.ask("graph level", _levels(search.best))
    search.confirm()
    search.ask("batch", search.batches())
    return _profile(model, key, search)


def busy_warning() -> str | None:
    """That other programs are at work, where they leave too few cores; or None."""
    if not hasattr(os, "getloadavg"):
        return None
    load, cores, wanted = os.getloadavg()[0], os.cpu_count() or 1, available_threads()
    if load <= cores - wanted + 0.5:
        return None
    return (
        f"Results may be off: other programs are at work (load average {load:.1f} on {cores} "
        "cores); stop them and tune again."
    )


def _files(best: RunConfig) -> dict[str, RunConfig]:
    paths = [best.network, *variants_of(best.network)]
    return {path.name: replace(best, network=path) for path in paths}


def _thread_settings(best: RunConfig) -> dict[str, RunConfig]:
    """Powers of two, and all there are; one thread waits for nobody."""
    most = available_threads()
    ways = {}
    for threads in sorted({most, *(2**power for power in range(most.bit_length()))}):
        for spin in (False, True) if threads > 1 else (False,):
            name = f"{threads} thread{'s' if threads > 1 else ''}{', spinning' if spin else ''}"
            ways[name] = replace(best, settings=replace(best.settings, threads=threads, spin=spin))
    return ways


def _levels(best: RunConfig) -> dict[str, RunConfig]:
    return {
        level: replace(best, settings=replace(best.settings, level=level)) for level in GRAPH_LEVELS
    }


class _Search:
    """The best way so far, and the time that is left."""

    def __init__(self, model: Path, goal: Goal, seconds: float, tell: Tell) -> None:
        self.goal, self.tell = goal, tell
        self.defaults = self.best = RunConfig(model, SessionSettings())
        self._end = time.monotonic() + seconds

    def ask(self, question: str, ways: Mapping[str, RunConfig]) -> None:
        """Lets ways take turns, the best so far among them, and goes on with the best of them."""
        until = self._until(question)
        if len(ways) < 2:
            return
        if until - time.monotonic() < _STARTING:
            self.tell(f"{question}: not asked, there is no time left\n")
            return
        if self.defaults not in ways.values():
            ways = {**ways, "defaults": self.defaults}
        trials = self._take_turns(question, ways, until)
        current = next(trial for trial in trials if trial.way == self.best)
        chosen = best_of(trials, current)
        self.best = chosen.way
        self._tell_table(question, trials, chosen, current)

    def confirm(self) -> None:
        """Goes back to the defaults where what was chosen step by step is not quicker than they."""
        chosen = self.best
        if chosen == self.defaults:
            return
        self.best = self.defaults
        self.ask("all of it", {"defaults": self.defaults, "tuned": chosen})

    def batches(self) -> dict[str, RunConfig]:
        """Numbers of faces that a call could take, as many as there is time to try."""
        left = self._until("batch") - time.monotonic() - _STARTING
        each = (WARM_UP_CALLS + 1) * LEAST_ROUNDS * _seconds_for_a_face(self.best)
        others = BATCH if self.best != self.defaults else 0
        tried = [n for i, n in enumerate(BATCHES) if each * sum((others, *BATCHES[: i + 1])) < left]
        if BATCH not in tried:
            self.tell("batch: not asked, there is too little time\n")
            return {}
        return {str(number): replace(self.best, batch=number) for number in tried}

    def _until(self, question: str) -> float:
        """When a question's part of the time ends."""
        now = time.monotonic()
        names = list(_SHARES)
        to_come = [_SHARES[name] for name in names[names.index(question) :]]
        return now + (self._end - now) * to_come[0] / sum(to_come)

    def _take_turns(
        self, question: str, ways: Mapping[str, RunConfig], until: float
    ) -> list[Trial]:
        contenders = [self._contender(question, name, way) for name, way in ways.items()]
        a_round = (until - time.monotonic()) / (3 * LEAST_ROUNDS)
        block = float(np.clip(a_round / len(ways), 0.02, 0.3))
        times = time_interleaved(contenders, _MOST_ROUNDS, block, until - a_round)
        return [
            Trial(name, way, np.array([np.median(block) for block in times[name]]) / faces)
            for name, way in ways.items()
            for faces in [way.batch if question == "batch" else 1]
        ]

    def _contender(self, question: str, name: str, way: RunConfig) -> Contender:
        if question == "batch":
            return session_contender(name, way.network, way.settings, way.batch)
        if self.goal == "latency":
            return session_contender(name, way.network, way.settings)
        return pipeline_contender(name, way.network, way.settings)

    def _tell_table(self, question: str, trials: list[Trial], chosen: Trial, before: Trial) -> None:
        unit = "faces/s" if question == "batch" else _UNITS[self.goal]
        defaults = next(trial for trial in trials if trial.way == self.defaults)
        wide = max(len(question), *(len(trial.name) + 2 for trial in trials))
        self.tell(f"{question:{wide}}  {unit:>11}  {'of defaults':>12}")
        for trial in trials:
            value = 1 / trial.seconds if question == "batch" else 1000 * trial.seconds
            mark = "*" if trial is chosen else " "
            number = f"{value:.0f}" if question == "batch" else f"{value:.3f}"
            speed = f"{trial.speed(defaults):.3f}x"
            self.tell(f"{mark} {trial.name:{wide - 2}}  {number:>11}  {speed:>12}")
        rounds = f"{len(chosen.rounds)} rounds"
        if chosen is not before:
            self.tell(f"{chosen.name}: quicker for certain ({rounds})\n")
        elif len(chosen.rounds) < LEAST_ROUNDS:
            self.tell(f"{chosen.name} stays: {rounds} are too few to know\n")
        else:
            self.tell(f"{chosen.name} stays: nothing is quicker for certain ({rounds})\n")


def _seconds_for_a_face(way: RunConfig) -> float:
    session = LandmarkSession(way.network, "cpu", way.settings)
    spec = session.card.input
    crop = np.zeros((1, spec.size, spec.size, spec.channels), np.uint8)
    session.run(crop)
    started = time.perf_counter()
    session.run(crop)
    return time.perf_counter() - started


def _profile(model: Path, key: ProfileKey, search: _Search) -> Profile:
    best = search.best
    if best.network == model:
        variant = None
    else:
        variant = ModelVariant(best.network.name, file_sha256(best.network))
        compared = compare_accuracy(read_card(best.network), read_card(model))
        search.tell(f"{best.network.name} stands in for {model.name}: {compared}")
    search.tell(f"Best: {best.settings.summary}, {best.batch} faces a call")
    return Profile(key, search.goal, best.settings, best.batch, variant)
