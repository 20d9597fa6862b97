"""What an installation and its machine are like, and what mends them; works where they are broken.

Imports nothing at its head that can be missing: each check imports what it looks at.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fkd_infer.choices import DEFAULT_MODEL
from fkd_infer.doctor import packages
from fkd_infer.doctor.finding import RUNTIMES, Finding, installed_of, listed, told
from fkd_infer.errors import FkdError, InstallError
from fkd_infer.system.files.cache import cache_folder
from fkd_infer.system.hardware import (
    DOT_PRODUCTS,
    available_threads,
    cgroup_limit,
    cpu_features,
    cpu_name,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CUDA_LIBRARIES = (
    "nvidia-cuda-runtime",
    "nvidia-cudnn-cu13",
    "nvidia-cuda-runtime-cu12",
    "nvidia-cudnn-cu12",
)
_REINSTALL = "pip install --force-reinstall 'fkd[cpu]'  (or 'fkd[gpu]')"
_PATIENCE_S = 20
Check = Callable[[], Finding]


def examine(checks: Sequence[Check] | None = None) -> list[Finding]:
    """All findings; a check that fails is one itself, and ends no other."""
    found: list[Finding] = []
    for check in CHECKS if checks is None else checks:
        try:
            found.append(check())
        except Exception as error:  # noqa: BLE001 (whatever is broken: it is told, with a repair)
            found.append(_failed(check, error, found))
    return found


def _failed(check: Check, error: Exception, before: Sequence[Finding]) -> Finding:
    """What a check says that did not come to its end.

    What cannot be imported is no problem of its own where one was found before.
    """
    name, why, repair = check.__name__.replace("_", " "), told(error), _REINSTALL
    if isinstance(error, InstallError):  # the only class whose way out is always a command
        why, repair = error.without_fix, error.fix or _REINSTALL
    if isinstance(error, ImportError) and any(finding.problem for finding in before):
        return Finding(name, f"not looked at: {why}")
    return Finding(name, "could not be looked at", why, repair)


def opencv_threads() -> Finding:
    """OpenCV starts no more threads than this process has cores."""
    threads, cores = int(import_module("cv2").getNumThreads()), available_threads()
    problem = f"threads that share {cores} cores wait for each other" if threads > cores else None
    repair = f"export OPENCV_FOR_THREADS_NUM={cores}" if problem else None
    return Finding("opencv threads", str(threads), problem, repair)


def nvidia() -> Finding:
    """NVIDIA's GPUs and driver, as nvidia-smi names them."""
    found, why = _gpus()
    if why and "onnxruntime-gpu" in installed_of(RUNTIMES):
        repair = "nvidia-smi  (it says more; after an update of the driver, restart the machine)"
        return Finding("nvidia", "does not answer", why, repair)
    return Finding("nvidia", "; ".join(found) or why or "none: no nvidia-smi")


def _gpus() -> tuple[list[str], str]:
    """GPUs with driver and memory, or none and why; no reason where there is no nvidia-smi."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return [], ""
    command = [program, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(  # NVIDIA's program, as the PATH has it  # nosec B603
            command, capture_output=True, text=True, timeout=_PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], told(error)
    said = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode:
        return [], " ".join([*said, *done.stderr.split()])
    return said, ""


def cuda() -> Finding:
    """A session on CUDA starts, where ONNX Runtime was built with it."""
    from fkd_infer.runtime.install import import_onnxruntime
    from fkd_infer.runtime.providers import usable_providers

    ort = import_onnxruntime()
    if "cuda" not in usable_providers(ort):
        repair = "pip uninstall -y onnxruntime && pip install 'fkd[gpu]'" if _gpus()[0] else None
        return Finding("cuda", "this ONNX Runtime was built without", repair=repair)
    libraries = listed(installed_of(_CUDA_LIBRARIES)) or "no libraries from pip"
    built_with = getattr(ort, "cuda_version", "") or "of a version that it does not tell"
    fact = f"ONNX Runtime was built with CUDA {built_with}; {libraries}"
    problem = _why_cuda_fails(ort)
    if problem is None:
        return Finding("cuda", f"{fact}; a session starts")
    if _gpus()[0]:
        return Finding("cuda", fact, problem, "pip install --upgrade 'fkd[gpu]'")
    repair = (
        "pip uninstall -y onnxruntime-gpu && pip install 'fkd[cpu]'  (or install NVIDIA's driver)"
    )
    return Finding("cuda", fact, problem, repair)


def _why_cuda_fails(ort: Any) -> str | None:
    from fkd_infer.runtime.providers import preload
    from fkd_infer.runtime.session import LandmarkSession

    missing = preload(ort)
    try:
        LandmarkSession(DEFAULT_MODEL, "cuda")
    except FkdError as error:
        return f"a session does not start: {'; '.join(missing) or told(error)}"
    return None


def cpu() -> Finding:
    """The processor, and what it means for networks of 8-bit integers."""
    features = cpu_features()
    if DOT_PRODUCTS.intersection(features):
        meaning = "it has dot products of int8, whose sums are exact"
    elif "avx2" in features:
        meaning = "no dot products of int8: sums of 8-bit weights can saturate, of 7-bit ones not"
    else:
        meaning = "no dot products of int8 that the system tells of"
    return Finding("cpu", "; ".join([cpu_name(), *filter(None, [" ".join(features)]), meaning]))


def threads() -> Finding:
    """Cores of the machine, of this process, and of its container."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = cgroup_limit()
    limited = "no limit of its container" if limit is None else f"{limit:g} by its container"
    fact = f"{os.cpu_count()} cores, {own} for this process, {limited}; fkd uses "
    return Finding("threads", f"{fact}{available_threads()}")


def model() -> Finding:
    """The shipped model loads, and finds the parts of a drawn face."""
    from fkd_infer.runtime.session import LandmarkSession

    began = time.perf_counter()
    session = LandmarkSession(DEFAULT_MODEL, "cpu")
    loaded = time.perf_counter()
    spec = session.card.input
    face, parts = _drawn_face(spec.size)
    points, scores = session.run(face.reshape(1, spec.size, spec.size, 1).repeat(spec.channels, 3))
    answered = time.perf_counter()
    fact = f"{session.path}: loaded in {(loaded - began) * 1e3:.0f} ms, first answer after "
    fact += f"{(answered - loaded) * 1e3:.0f} ms more"
    groups = session.card.landmarks.groups
    found = {part: points[0, list(groups[part])].mean(axis=0) for part in parts}
    off = {part: float(abs(found[part] - parts[part]).max()) / spec.size for part in parts}
    wrong = [part for part in parts if not off[part] < 0.1]
    problem = f"on a drawn face it puts {', '.join(wrong)} elsewhere" if wrong else None
    if problem is None and scores is not None and not scores[0] >= 0.5:
        problem = f"it takes a drawn face for none (score {scores[0]:.2f})"
    return Finding("model", fact, problem, _REINSTALL if problem else None)


def detector() -> Finding:
    """The shipped detector loads, and finds no face where there is none."""
    import numpy as np

    from fkd_infer.detection.fkd import FkdDetector

    began = time.perf_counter()
    find = FkdDetector(provider="cpu")
    loaded = time.perf_counter()
    found = len(find(np.full((360, 640, 3), 128, np.uint8)))
    searched = time.perf_counter()
    fact = f"{find.path}: loaded in {(loaded - began) * 1e3:.0f} ms, searched 640 × 360 pixels in "
    fact += f"{(searched - loaded) * 1e3:.0f} ms at first"
    problem = f"it finds {found} faces on a gray picture" if found else None
    return Finding("detector", fact, problem, _REINSTALL if problem else None)


def _drawn_face(size: int) -> tuple[NDArray[np.uint8], dict[str, tuple[float, float]]]:
    """A face (size, size) of ellipses, and the centres of its parts in pixels."""
    import numpy as np

    y, x = np.mgrid[:size, :size] / size
    face = np.full((size, size), 90, np.uint8)

    def ellipse(cx: float, cy: float, rx: float, ry: float, gray: int) -> None:
        face[((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1] = gray

    eyes, mouth = {"right_eye": (0.36, 0.42), "left_eye": (0.64, 0.42)}, (0.5, 0.75)
    ellipse(0.5, 0.55, 0.34, 0.44, 190)
    for cx, cy in eyes.values():
        ellipse(cx, cy, 0.07, 0.04, 240)
        ellipse(cx, cy, 0.03, 0.04, 30)
        ellipse(cx, cy - 0.11, 0.09, 0.025, 60)
    ellipse(0.5, 0.58, 0.055, 0.03, 140)
    ellipse(*mouth, 0.125, 0.04, 110)
    parts = {**eyes, "outer_lips": mouth}
    return face, {part: (cx * size, cy * size) for part, (cx, cy) in parts.items()}


def cache() -> Finding:
    """The folder of findings about this machine can be written to."""
    repair = "export FKD_CACHE=DIR  (a folder of yours)"
    try:
        folder = cache_folder()
    except RuntimeError as error:  # a user without a home
        return Finding("cache", "none", told(error), repair)
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding("cache", f"{folder}{'' if there == folder else ' (not there yet)'}")
    return Finding("cache", str(folder), f"{there} cannot be written to", repair)


def tuning() -> Finding:
    """What `fkd-infer tune` found out about the shipped model here."""
    from fkd_infer.models.shipped import find_model
    from fkd_infer.runtime.tuned_profile import Profile, find_profile

    found = find_profile(find_model(DEFAULT_MODEL))
    if found is None:
        return Finding("tuning", "none yet for this machine", repair="fkd-infer tune")
    if not isinstance(found, Profile):
        return Finding("tuning", "not used", found.problem, found.fix)
    threads = found.settings.threads
    fact = f"{found.path}: for {found.goal}, {threads} threads, batch {found.batch}"
    return Finding("tuning", fact)


CHECKS: tuple[Check, ...] = (
    packages.fkd,
    packages.python,
    packages.numpy,
    packages.opencv,
    opencv_threads,
    packages.pyav,
    packages.onnx_runtime,
    nvidia,
    cuda,
    cpu,
    threads,
    model,
    detector,
    cache,
    tuning,
)
"""What `fkd-infer doctor` looks at; each check stands after those that it builds on."""
