"""A Ray cluster: started here or connected to, kept quiet, and checked before work."""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from fkd_infer.errors import ClusterError, one_line
from fkd_infer.system.hardware import available_threads

LOCAL, AUTO, CLIENT = "local", "auto", "ray://"
_STORE_BYTES = 256 * 2**20
"""Object store of a cluster that is started here: names of sources and the models, no pictures."""
_PROBE_TIMEOUT_S = 120.0
_LOGGERS = ("ray", "ray.data", "ray._private", "ray.util")


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connects to a cluster for the block, or starts one here ("local"); raises ClusterError.

    A connection that is there already is used, and stays.
    """
    if ray.is_initialized():
        yield
        return
    # Ray's own lines would be between those of the run; its log files have them too.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault(
        "RAY_USAGE_STATS_ENABLED", "0"
    )  # what runs here is nobody else's business
    os.environ.setdefault("RAY_agent_register_timeout_ms", "120000")  # a busy machine needs more
    options: dict[str, Any] = {}
    if address == LOCAL:
        options = {
            "num_cpus": available_threads(),
            "object_store_memory": _STORE_BYTES,
            "include_dashboard": False,
        }
    try:
        _start(address, options)
    except Exception as error:  # Ray's errors share no other base
        fix = "start one with: ray start --head; or use --ray local"
        if address.startswith(CLIENT):
            fix = (
                "its server needs the token of the cluster: RAY_AUTH_MODE=token, ~/.ray/auth_token"
            )
        raise ClusterError(
            f"--ray {address}", f"no cluster can be used: {one_line(error)}", fix
        ) from error
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        ray.shutdown()


def _start(address: str, options: dict[str, Any]) -> None:
    """Connects or starts; where a cluster of its own did not start in Ray's 30 s, since the machine
    is busy, once more."""
    for last in (address != LOCAL, True):
        try:
            with _silent_stderr():
                ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **options)
        except Exception:  # Ray's errors share no other base
            ray.shutdown()
            if last:
                raise
        else:
            return


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Discards what C++ code prints in the block; errors are exceptions."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (a device)
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def installed_versions() -> dict[str, str]:
    """Versions of what results depend on, by name; "none" for what is not installed."""
    import cv2
    import numpy as np

    from fkd_infer import __version__

    return {
        "fkd": __version__,
        "onnxruntime": _onnxruntime_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "python": platform.python_version(),
    }


def _onnxruntime_version() -> str:
    """The version of whichever of ONNX Runtime's packages is installed."""
    for package in ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "none"


def version_problem(node: str, own: Mapping[str, str], there: Mapping[str, str]) -> str:
    """A line about the first versions that differ; empty if none does."""
    for name, here in own.items():
        other = there.get(name, "none")
        if other != here:
            return f"{node}: it has {name} {other}, and this machine {here}"
    return ""


def check_nodes(own: Mapping[str, str]) -> None:
    """Raises ClusterError unless every node of the cluster has the same versions as this machine.

    Nodes that join later are checked by the actors that start there.
    """
    probe = ray.remote(num_cpus=0, max_retries=1)(installed_versions)
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    asked = {
        name: probe.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(name, soft=False)
        ).remote()
        for name in nodes
    }
    for name, reference in asked.items():
        node = f"node {nodes[name]}"
        try:
            problem = version_problem(node, own, ray.get(reference, timeout=_PROBE_TIMEOUT_S))
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            text = one_line(cause)
            raise ClusterError(
                node, f"does not run fkd: {text[:300]}", "install the same packages on all nodes"
            ) from error
        if problem:
            raise ClusterError("", problem, "install the same packages on all nodes")


def actor_count(workers: int | None, gpu_share: float) -> int:
    """How many actors the cluster has room for, at most `workers`."""
    resources = ray.cluster_resources()
    room = resources.get("GPU", 0) / gpu_share if gpu_share else resources.get("CPU", 1)
    return max(1, min(int(room), workers or int(room)))


def has_gpus() -> bool:
    """Whether a node of the cluster has a GPU."""
    return bool(ray.cluster_resources().get("GPU"))
