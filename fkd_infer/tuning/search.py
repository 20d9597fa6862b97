"""The search of `fkd-infer tune`: the fastest configuration of a model, one step after another."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from fkd_infer.choices import BATCH
from fkd_infer.errors import ProviderError
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.options import format_settings
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.tuned.profile import ModelVariant, Profile, ProfileKey
from fkd_infer.system.files.reading import file_sha256
from fkd_infer.system.hardware import available_threads
from fkd_infer.tuning.configs import file_configs, level_configs, option_configs, thread_configs
from fkd_infer.tuning.interleaved import WARM_UP_CALLS, Contender, time_interleaved
from fkd_infer.tuning.subjects import Subject
from fkd_infer.tuning.table import PER_SECOND, table_lines
from fkd_infer.tuning.trial import MIN_ROUNDS, RULE, RunConfig, Trial, fastest

Echo = Callable[[str], None]

BATCHES = (1, 4, 8, 16, 32, 64)
_STEPS = {
    "file": 2,
    "threads and spinning": 3,
    "graph level": 2,
    "options": 2,
    "all changes": 2,
    "batch": 2,
}
"""The steps in order, with their shares of the time."""
_START_SECONDS = 2.0
"""Contenders may need as long until they are ready; steps with less time are skipped."""
_MAX_ROUNDS = 1000


def tune(
    subject: Subject,
    choice: ProviderChoice,
    seconds: float,
    only_this_file: bool,
    echo: Echo,
) -> Profile | None:
    """Returns the fastest profile of a network on a provider of this machine found in `seconds`,
    None if that was too little time to compare anything.

    `echo` prints progress and tables. Raises what starting a session raises.
    """
    settings = SessionSettings()
    started = subject.start(RunConfig(subject.files()[0], settings, choice=choice))
    on = ProviderChoice(
        started.provider.name,
        started.device,
        started.provider.own_settings(choice.settings),
        choice.allow_fallback,
    )
    key = ProfileKey.of(subject.model, started.on)
    where = f"on {key.cpu} with up to {key.threads} threads"
    if started.provider is not CPU:
        where = f"on {started.provider.title} {started.device}".rstrip()
    echo(f"Tuning {subject.title}, {subject.model}, {where},")
    echo(f"ONNX Runtime {key.onnxruntime}; this takes up to {seconds:g} s.")
    if warning := busy_warning():
        echo(warning)
    echo(f"{RULE}\n")
    search = _Search(subject, on, seconds, echo)
    if not only_this_file:
        search.run_step("file", file_configs(search.best, subject.files()))
    search.run_step("threads and spinning", thread_configs(search.best))
    search.run_step("graph level", level_configs(search.best))
    search.run_step("options", option_configs(search.best))
    search.confirm()
    if subject.batched:
        search.run_step("batch", search.batch_configs())
    return _profile(key, search) if search.compared else None


def busy_warning() -> str | None:
    """Returns a warning if other programs leave this process too few cores."""
    if not hasattr(os, "getloadavg"):
        return None
    load, cores, needed = os.getloadavg()[0], os.cpu_count() or 1, available_threads()
    if load <= cores - needed + 0.5:
        return None
    return (
        f"Results may be off: other programs are running (load average {load:.1f} on {cores} "
        "cores); stop them and tune again."
    )


class _Search:
    """The fastest configuration so far, and the time left."""

    def __init__(
        self, subject: Subject, choice: ProviderChoice, seconds: float, echo: Echo
    ) -> None:
        self.subject, self.echo = subject, echo
        network = subject.files()[0]
        self.defaults = self.best = RunConfig(network, SessionSettings(), choice=choice)
        self.compared = False
        self._end = time.monotonic() + seconds

    def run_step(self, step: str, configs: Mapping[str, RunConfig]) -> None:
        """Times configurations, among them the best so far, and keeps the fastest."""
        until = self._end_of(step)
        if self.best.choice.name != CPU.name:
            configs = self._startable(configs, until)
        if len(configs) < 2:
            return
        if until - time.monotonic() < _START_SECONDS:
            self.echo(f"{step}: skipped, there is no time left\n")
            return
        if self.defaults not in configs.values():
            configs = {**configs, "defaults": self.defaults}
        self.compared = True
        trials = self._time(step, configs, until)
        current = next(trial for trial in trials if trial.config == self.best)
        defaults = next(trial for trial in trials if trial.config == self.defaults)
        chosen = fastest(trials, current)
        self.best = chosen.config
        unit = PER_SECOND if step == "batch" else self.subject.unit
        for line in table_lines(step, unit, trials, defaults, current, chosen):
            self.echo(line)

    def _startable(self, configs: Mapping[str, RunConfig], until: float) -> dict[str, RunConfig]:
        """Returns the configurations that start in time, and answer as the CPU does."""
        possible = {name: config for name, config in configs.items() if config == self.best}
        for name, config in configs.items():
            if config == self.best:
                continue
            if time.monotonic() > until:
                self.echo(f"{name}: left out; there is no time left")
                continue
            try:
                self.subject.start(config)
            except ProviderError as error:
                self.echo(f"{name}: left out; {error.reason or error}")
            else:
                possible[name] = config
        return possible

    def confirm(self) -> None:
        """Returns to the defaults unless all changes together are significantly faster."""
        tuned = self.best
        if tuned == self.defaults:
            return
        self.best = self.defaults
        self.run_step("all changes", {"defaults": self.defaults, "tuned": tuned})

    def batch_configs(self) -> dict[str, RunConfig]:
        """Returns as many batch sizes as there is time to compare."""
        left = self._end_of("batch") - time.monotonic() - _START_SECONDS
        each = (WARM_UP_CALLS + 1) * MIN_ROUNDS * _seconds_per_face(self.best)
        others = BATCH if self.best != self.defaults else 0
        sizes = [n for i, n in enumerate(BATCHES) if each * sum((others, *BATCHES[: i + 1])) < left]
        if BATCH not in sizes:
            self.echo("batch: skipped, there is too little time\n")
            return {}
        return {str(size): replace(self.best, batch=size) for size in sizes}

    def _end_of(self, step: str) -> float:
        """Returns when a step's share of the time ends."""
        now = time.monotonic()
        steps = list(_STEPS)
        shares = [_STEPS[name] for name in steps[steps.index(step) :]]
        return now + (self._end - now) * shares[0] / sum(shares)

    def _time(self, step: str, configs: Mapping[str, RunConfig], until: float) -> list[Trial]:
        contenders = [self._contender(step, name, config) for name, config in configs.items()]
        round_seconds = (until - time.monotonic()) / (3 * MIN_ROUNDS)
        seconds = float(np.clip(round_seconds / len(configs), 0.02, 0.3))
        times = time_interleaved(contenders, _MAX_ROUNDS, seconds, until - round_seconds)
        trials = []
        for name, config in configs.items():
            rounds = np.array([np.median(calls) for calls in times[name]])
            faces = config.batch if step == "batch" else 1
            trials.append(Trial(name, config, rounds / faces))
        return trials

    def _contender(self, step: str, name: str, config: RunConfig) -> Contender:
        return self.subject.contender(name, config, config.batch if step == "batch" else None)


def _seconds_per_face(config: RunConfig) -> float:
    session = LandmarkSession(config.network, config.choice, config.settings)
    spec = session.card.input
    crop = np.zeros((1, spec.size, spec.size, spec.channels), np.uint8)
    session.run(crop)
    started = time.perf_counter()
    session.run(crop)
    return time.perf_counter() - started


def _profile(key: ProfileKey, search: _Search) -> Profile:
    best, subject, variant = search.best, search.subject, None
    if best.network != subject.model:
        variant = ModelVariant(best.network.name, file_sha256(best.network))
        accuracy = subject.compare(best.network)
        search.echo(f"{best.network.name} replaces {subject.model.name}: {accuracy}")
    own = best.choice.settings
    options = format_settings(own) if own else ()
    batch = f", {best.batch} faces a call" if subject.batched else ""
    summary = " ".join([best.settings.summary, *options])
    search.echo(f"Best: {summary}{batch}")
    return Profile(key, subject.goal, best.settings, best.batch, variant, options)
