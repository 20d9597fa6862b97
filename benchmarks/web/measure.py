"""Times fkd-web and @vladmandic/face-api on the same frames in Chromium, and their points' error.

Each contender has a browser of its own in each round; rounds are shuffled.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from playwright.sync_api import Error, sync_playwright

from benchmarks.faces.recall import MAX_ERROR, mean_error
from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, Measurement, Recorder
from benchmarks.web.frames import LabelledFrame, drawn_frames, photo_frames, write_frames
from fkd_infer.errors import ContenderError
from fkd_infer.landmarks.schemes import IBUG68
from tools.static_host import serve

COMMAND = "web"
_WEB = Path(__file__).parents[2] / "web"


@dataclass(frozen=True)
class Contender:
    """A page of `web/benchmark/`, with what it loads there."""

    name: str
    page: str
    variant: str


FKD = Contender("fkd-web", "fkd.html", "")
FACE_API = (
    Contender("face-api", "face-api.html", "default"),
    Contender("face-api tiny", "face-api.html", "tiny"),
)


def measure_web(
    photos: Path | None, face_api: Path | None, rounds: int, recorder: Recorder
) -> None:
    """Measures fkd-web, and face-api if `face_api` is a folder whose `node_modules` has it.

    `photos` is a folder of 300-W. Raises ContenderError where npm or a browser fails.
    """
    sets = {"drawn": drawn_frames()}
    if photos is not None:
        sets["photos"] = photo_frames(photos)
    contenders = [FKD, *(FACE_API if face_api is not None else ())]
    with TemporaryDirectory() as name:
        site = Path(name) / "site"
        _build(site)
        if face_api is not None:
            (site / "face-api").symlink_to(face_api.resolve())
        addresses = {
            kind: [f"{kind}/{file}" for file in write_frames(frames, site / kind)]
            for kind, frames in sets.items()
        }
        runs: dict[tuple[str, str], list[list[Any]]] = defaultdict(list)
        with serve(site, isolated=True) as host:
            for _ in range(rounds):
                # Shuffling, not cryptography.
                for contender in random.sample(contenders, len(contenders)):  # nosec B311
                    for kind, results in _run(contender, host.address, addresses).items():
                        runs[contender.name, kind].append(results)
    for kind, frames in sets.items():
        for contender in contenders:
            figures = figures_of(runs[contender.name, kind], frames)
            if contender is not FKD:
                times = [_seconds(runs[each.name, kind]) for each in (contender, FKD)]
                ratio = statistics.ratio_interval(*times)
                figures["of fkd-web"] = Figure.from_interval(ratio, "×")
            conditions = {"frames": str(len(frames)), "rounds": str(rounds)}
            recorder.add(Measurement(COMMAND, kind, contender.name, conditions, figures))


def _build(site: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise ContenderError("npm", "there is no npm on the PATH")
    config = ("--config", "benchmark/vite.config.ts", "--outDir", str(site), "--emptyOutDir")
    done = subprocess.run(  # a fixed command  # nosec B603
        [npm, "run", "build", "--", *config], cwd=_WEB, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ContenderError("npm run build", done.stderr.strip().splitlines()[-1])


def _run(
    contender: Contender, address: str, frames: Mapping[str, Sequence[str]]
) -> dict[str, list[Any]]:
    """What a contender's page measured on each set of frames, in a browser that is new."""
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser_path is None:
        raise ContenderError("chromium", "there is no chromium on the PATH")
    try:
        with sync_playwright() as driver:
            # Containers give Chromium no sandbox of its own; the pages are ours.
            browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"{address}{contender.page}")
            page.wait_for_function("window.measure !== undefined")
            page.evaluate("variant => load(variant)", contender.variant)
            return {
                kind: page.evaluate("names => measure(names)", list(names))
                for kind, names in frames.items()
            }
    except Error as error:
        raise ContenderError(contender.name, error.message.splitlines()[0]) from error


def figures_of(runs: Sequence[Sequence[Any]], frames: Sequence[LabelledFrame]) -> dict[str, Figure]:
    """`runs` are the page's results on each frame, by round."""
    errors = [
        min(
            (mean_error(np.array(face), frame.points, IBUG68) for face in result["faces"]),
            default=np.inf,
        )
        for result, frame in zip(runs[0], frames, strict=True)
    ]
    found = [error for error in errors if error < MAX_ERROR]
    faces = sum(len(result["faces"]) for result in runs[0])
    figures = {
        "time": _milliseconds(_seconds(runs), "lower"),
        "found": Figure(len(found), f"of {len(frames)} faces", better="higher"),
        "others": Figure(faces - len(found), "faces"),
    }
    if found:
        figures["NME"] = Figure(100 * float(np.mean(found)), "%", better="lower")
    for stage in runs[0][0]["stages"]:
        times = [float(np.median([each["stages"][stage] for each in run])) / 1000 for run in runs]
        figures[stage] = _milliseconds(times)
    return figures


def _seconds(runs: Sequence[Sequence[Any]]) -> list[float]:
    """The median time of a frame, by round."""
    return [float(np.median([each["ms"] for each in run])) / 1000 for run in runs]


def _milliseconds(seconds: Sequence[float], better: Any = None) -> Figure:
    return Figure.from_interval(statistics.median_interval(seconds), "ms", 1000, better)
