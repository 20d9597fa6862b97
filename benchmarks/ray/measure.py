"""Measures runs on Ray beside runs on one machine."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, Measurement, Recorder
from benchmarks.programs.photo_set import make_photo_set
from benchmarks.ray.runs import (
    MeasuredRun,
    command,
    kill,
    largest_difference,
    measure,
    pictures,
    rows,
)
from benchmarks.ray.scale import measure_scale
from fkd_infer.system.hardware import available_threads
from fkd_train.errors import RunError

COMMAND = "ray"
_SAME_PX = 1e-3
_LISTING_S = 120.0


def measure_ray(
    count: int, rounds: int, kills: int, links: int, folder: Path, recorder: Recorder
) -> None:
    """Measures speed and memory, kills runs, lists a large folder, and times the parts of a run
    that do not grow with nodes; a count of 0 leaves a part out."""
    folder = folder.absolute()
    photos = make_photo_set(folder, count, None)
    if rounds:
        _speed(photos, count, rounds, folder, recorder)
    if kills:
        _kills(photos, count, kills, folder, recorder)
    if links:
        _listing(photos, links, folder, recorder)
    measure_scale(folder / "scale", recorder)


def _conditions(**more: object) -> dict[str, str]:
    own = {"cores": available_threads(), "load before": round(os.getloadavg()[0], 1), **more}
    return {name: str(value) for name, value in own.items()}


def _speed(photos: Path, count: int, rounds: int, folder: Path, recorder: Recorder) -> None:
    """Runs both in turns, and compares their rows and pictures."""
    runs: dict[bool, list[MeasuredRun]] = {False: [], True: []}
    conditions = _conditions(rounds=rounds)
    for number in range(rounds):
        order = (False, True) if number % 2 == 0 else (True, False)
        for ray in order:
            out = folder / ("on-ray" if ray else "here")
            shutil.rmtree(out, ignore_errors=True)
            runs[ray].append(measure(command(photos, out, ray), out))
    apart = largest_difference(folder / "here", folder / "on-ray")
    if apart > _SAME_PX:
        raise RunError(folder / "on-ray", "its rows differ from those of the run on one machine")
    if pictures(folder / "here") != pictures(folder / "on-ray"):
        raise RunError(folder / "on-ray", "its pictures differ")
    for ray, own in runs.items():
        rate = statistics.rate_interval([run.seconds for run in own], count)
        figures = {"speed": Figure.from_interval(rate, "photos/s", 1, "higher")}
        figures["until the first part"] = Figure(min(run.first_part_s for run in own), "s")
        for kind in sorted({kind for run in own for kind in run.peak_mib}):
            peak = max(run.peak_mib.get(kind, 0.0) for run in own)
            figures[f"memory of {kind}"] = Figure(peak, "MiB")
        if ray:
            figures["largest difference of points"] = Figure(apart, "px")
            seconds = [[run.seconds for run in runs[kind]] for kind in (False, True)]
            ratio = statistics.ratio_interval(*seconds)
            figures["speed, as a share of threads"] = Figure.from_interval(ratio, "")
            after = [run.seconds - run.first_part_s for run in own]
            rest = statistics.rate_interval(after, count)
            figures["speed after the first part"] = Figure.from_interval(rest, "photos/s", 1)
        contender = "fkd-infer --ray local" if ray else "fkd-infer"
        recorder.add(Measurement(COMMAND, f"{count} photos", contender, conditions, figures))


def _kills(photos: Path, count: int, kills: int, folder: Path, recorder: Recorder) -> None:
    """Kills drivers at random moments and continues them, until there were enough kills."""
    expected, out = folder / "here", folder / "killed"
    if not expected.is_dir():
        measure(command(photos, expected, ray=False), expected)
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    measure(command(photos, out, ray=True), out)
    seconds = time.perf_counter() - start
    rng, done, completed = random.Random(7), 0, 0  # nosec B311: moments of kills
    conditions = _conditions(kills=kills)
    while done < kills or not completed:
        shutil.rmtree(out, ignore_errors=True)
        more: tuple[str, ...] = ()
        while not kill(
            command(photos, out, True, *more),
            rng.uniform(0, seconds) if done < kills else 20 * seconds,
        ):
            done += 1
            more = ("--resume",) if any((out / "faces").glob("part-*")) else ()
        if largest_difference(out, expected) > _SAME_PX or pictures(out) != pictures(expected):
            raise RunError(out, f"its results differ after {done} kills")
        completed += 1
    figures = {
        "kills": Figure(done, "kills"),
        "runs completed after them": Figure(completed, "runs"),
        "differences": Figure(0, "differences"),
    }
    recorder.add(
        Measurement(COMMAND, f"{count} photos", "fkd-infer --ray local", conditions, figures)
    )


def _listing(photos: Path, links: int, folder: Path, recorder: Recorder) -> None:
    """Runs on a folder of hard links for some time, and watches the driver."""
    many, out = folder / "links", folder / "listed"
    smallest = min(photos.iterdir(), key=lambda path: path.stat().st_size)
    for number in range(links):
        path = many / f"{number // 1000:03d}" / f"{number:06d}{smallest.suffix}"
        if number % 1000 == 0:  # file systems limit the links to one file
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(smallest, path)
            first = path
        elif not path.exists():
            path.hardlink_to(first)
    shutil.rmtree(out, ignore_errors=True)
    conditions = _conditions(seconds=_LISTING_S)
    arguments = command(many, out, ray=True, with_pictures=False)
    run = measure(arguments, out, stop_after_s=_LISTING_S)
    quarter = max(1, len(run.driver_mib) // 4)
    second = sorted(run.driver_mib[quarter : 2 * quarter])
    last = sorted(run.driver_mib[-quarter:])
    figures = {
        "until the first part": Figure(run.first_part_s, "s"),
        "driver in the second quarter": Figure(second[len(second) // 2], "MiB"),
        "driver in the last quarter": Figure(last[len(last) // 2], "MiB"),
        "rows": Figure(len(rows(out)), "rows"),
    }
    recorder.add(
        Measurement(COMMAND, f"{links} links", "fkd-infer --ray local", conditions, figures)
    )
