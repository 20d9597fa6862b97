"""Checks of `fkd-infer doctor`: the machine, its limits, and what is saved about it."""

from __future__ import annotations

import os
from importlib import import_module

from fkd_infer.choices import DEFAULT_MODEL
from fkd_infer.doctor.finding import Finding, error_text
from fkd_infer.system.files.cache import cache_folder
from fkd_infer.system.hardware import (
    DOT_PRODUCTS,
    available_threads,
    cgroup_limit,
    cpu_features,
    cpu_name,
)


def opencv_threads() -> Finding:
    """OpenCV starts no more threads than this process has cores."""
    threads, cores = int(import_module("cv2").getNumThreads()), available_threads()
    problem = f"threads that share {cores} cores wait for each other" if threads > cores else None
    repair = f"export OPENCV_FOR_THREADS_NUM={cores}" if problem else None
    return Finding("opencv threads", str(threads), problem, repair)


def cpu() -> Finding:
    """Names the CPU and how exact int8 networks are on it."""
    features = cpu_features()
    if DOT_PRODUCTS.intersection(features):
        support = "it has dot products of int8, whose sums are exact"
    elif "avx2" in features:
        support = "no dot products of int8: sums of 8-bit weights can saturate, of 7-bit ones not"
    else:
        support = "no dot products of int8, as far as the system says"
    return Finding("cpu", "; ".join([cpu_name(), *filter(None, [" ".join(features)]), support]))


def threads() -> Finding:
    """Counts the cores of the machine, of this process and of its container."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = cgroup_limit()
    limited = "no limit of its container" if limit is None else f"{limit:g} by its container"
    fact = f"{os.cpu_count()} cores, {own} for this process, {limited}; fkd uses "
    return Finding("threads", f"{fact}{available_threads()}")


def cache() -> Finding:
    """The cache folder is writable."""
    repair = "export FKD_CACHE=DIR  (a folder of yours)"
    try:
        folder = cache_folder()
    except RuntimeError as error:  # a user without a home
        return Finding("cache", "none", error_text(error), repair)
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return Finding("cache", f"{folder}{'' if existing == folder else ' (not there yet)'}")
    return Finding("cache", str(folder), f"{existing} cannot be written to", repair)


def tuning() -> Finding:
    """The profile of the shipped model, if there is one, can be used."""
    from fkd_infer.models.shipped import find_model
    from fkd_infer.runtime.tuned.profile import UnusedProfile, find_profile

    profile = find_profile(find_model(DEFAULT_MODEL))
    if profile is None:
        return Finding("tuning", "none yet for this machine", repair="fkd-infer tune")
    if isinstance(profile, UnusedProfile):
        return Finding("tuning", "not used", profile.problem, profile.fix)
    threads = profile.settings.threads
    fact = f"{profile.path}: for {profile.goal}, {threads} threads, batch {profile.batch}"
    return Finding("tuning", fact)
