"""Runs the parts of a check one after the other, each in a process that cannot end the others."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from tempfile import TemporaryFile
from typing import IO

from benchmarks.gpu.parts import Part
from benchmarks.gpu.plan import (
    MACHINE,
    NO_TIME,
    CheckPlan,
    FailedContender,
    Result,
    failed,
    left_out,
)
from benchmarks.gpu.worker import parse_result, part_command
from benchmarks.harness.environment import child_environment
from benchmarks.harness.results import Measurement, Recorder
from fkd_infer.doctor.providers import list_devices
from fkd_infer.system.hardware import available_threads

SOFT_SHARE = 0.8
"""Share of a part's time after which it begins nothing new."""
_LEAST_SECONDS = 10.0
"""A part needs this long for its imports."""


def missing_device(plan: CheckPlan) -> str:
    """Returns why there is no device for the provider, empty if there is one or nobody knows."""
    driver = plan.execution_provider.driver
    if driver is None:
        return ""
    devices, problem = list_devices(driver)
    if devices:
        return ""
    return problem or f"there is no {driver.command[0]}"


def run_check(
    plan: CheckPlan,
    parts: Sequence[Part],
    seconds: float,
    recorder: Recorder,
    report: Callable[[str], object],
) -> int:
    """Runs the parts for at most `seconds`; records each result at once, and reports each part in
    one line. Returns how many contenders failed."""
    end = time.monotonic() + seconds
    failures = 0
    for part in parts:
        began = time.monotonic()
        left = min(part.seconds, end - began)
        if left < min(part.seconds, _LEAST_SECONDS):
            results: Iterator[Result] = iter([left_out(MACHINE, part.name, NO_TIME)])
        else:
            results = part_results(part, plan, left)
        measured, other = 0, []
        for result in results:
            if isinstance(result, Measurement):
                recorder.add(result)
                measured += 1
            else:
                recorder.skip(result)
                other.append(result)
        failed_ones = [result for result in other if isinstance(result, FailedContender)]
        failures += len(failed_ones)
        report(
            f"{part.name}: {measured} results, {len(failed_ones)} failures, "
            f"{len(other) - len(failed_ones)} left out, {time.monotonic() - began:.0f} s"
        )
        for result in failed_ones:
            report(f"  failed: {result.model}, {result.contender}: {result.why}")
    return failures


def part_results(part: Part, plan: CheckPlan, seconds: float) -> Generator[Result, None, None]:
    """Yields the results of a part as they come; its process is killed after `seconds`."""
    own_plan = replace(plan, until=time.monotonic() + SOFT_SHARE * seconds)
    with TemporaryFile("w+") as errors, _process(part, own_plan, errors) as process:
        out_of_time = threading.Event()

        def stop() -> None:
            out_of_time.set()
            _kill(process)

        timer = threading.Timer(seconds, stop)
        timer.start()
        told = False
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if not line.endswith("\n"):
                    break  # it was ended in the middle of a line
                result = parse_result(line)
                told = isinstance(result, FailedContender) and result.contender == part.name
                yield result
            exit_code = process.wait()
        finally:
            timer.cancel()
        if out_of_time.is_set():
            yield failed(MACHINE, part.name, f"it was ended after {seconds:.0f} s, its time")
        elif exit_code and not told:
            errors.seek(0)
            lines = errors.read().strip().splitlines() or ["it ended without a message"]
            yield failed(MACHINE, part.name, f"exit code {exit_code}: {lines[-1]}")


@contextmanager
def _process(part: Part, plan: CheckPlan, errors: IO[str]) -> Iterator[subprocess.Popen[str]]:
    """Starts a part's process, and kills it, with those that it started, at the end."""
    process = subprocess.Popen(  # a module of this package  # nosec B603
        part_command(part, plan),
        env=child_environment(available_threads()),
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _kill(process)
        process.communicate()


def _kill(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
