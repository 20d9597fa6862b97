"""What an installation and its machine are like, and what mends them; works where they are broken.

Imports nothing at its head that can be missing: each check imports what it looks at.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from fkd_infer.choices import DEFAULT_MODEL
from fkd_infer.doctor import packages, plugins
from fkd_infer.doctor.finding import Check, Finding, error_text
from fkd_infer.doctor.providers import provider_checks
from fkd_infer.errors import InstallError
from fkd_infer.runtime.providers.registry import install_command
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

_REINSTALL = install_command("pip install --force-reinstall")


def examine(checks: Sequence[Check] | None = None) -> list[Finding]:
    """Returns the findings of all checks; a check that fails is one too, and ends no other."""
    findings: list[Finding] = []
    for check in CHECKS if checks is None else checks:
        try:
            findings.append(check.run())
        except Exception as error:  # noqa: BLE001 (anything may be broken: it becomes a finding)
            findings.append(_failed(check, error, findings))
    return findings


def _failed(check: Check, error: Exception, before: Sequence[Finding]) -> Finding:
    """Returns the finding of a check that raised an error.

    A failed import is no second problem if an earlier check found one.
    """
    problem, repair = error_text(error), _REINSTALL
    if isinstance(error, InstallError):  # the only class whose fix is always a command
        problem, repair = error.without_fix, error.fix or _REINSTALL
    if isinstance(error, ImportError) and any(finding.problem for finding in before):
        return Finding(check.name, f"not checked: {problem}")
    return Finding(check.name, "could not be checked", problem, repair)


def opencv_threads() -> Finding:
    """OpenCV starts no more threads than this process has cores."""
    threads, cores = int(import_module("cv2").getNumThreads()), available_threads()
    problem = f"threads that share {cores} cores wait for each other" if threads > cores else None
    repair = f"export OPENCV_FOR_THREADS_NUM={cores}" if problem else None
    return Finding("opencv threads", str(threads), problem, repair)


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
        return Finding("cache", "none", error_text(error), repair)
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
    Check("fkd", packages.fkd),
    Check("python", packages.python),
    Check("numpy", packages.numpy),
    Check("opencv", packages.opencv),
    Check("opencv threads", opencv_threads),
    Check("pyav", packages.pyav),
    Check("onnx runtime", packages.onnx_runtime),
    *provider_checks(),
    Check("cpu", cpu),
    Check("threads", threads),
    Check("model", model),
    Check("detector", detector),
    Check("detectors", plugins.detectors),
    Check("cache", cache),
    Check("tuning", tuning),
)
"""The checks of `fkd-infer doctor`, each after those that it depends on."""
