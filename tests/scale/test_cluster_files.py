"""The examples for Kubernetes and Slurm in examples/cluster are what their readers accept."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml  # type: ignore[import-untyped]
from repo_paths import ROOT

SCALE = ROOT / "examples" / "cluster"
FILES = sorted(SCALE.glob("*.yaml"))
BATCHES = sorted(SCALE.glob("*.sbatch"))
POD = "template"
"""Field of KubeRay's objects that holds a pod's template."""

# The fields of KubeRay's Go types in ray-operator/apis/ray/v1, as far as the examples use them.
CLUSTER: dict[str, Any] = {
    "rayVersion": str,
    "enableInTreeAutoscaling": bool,
    "autoscalerOptions": {"idleTimeoutSeconds": int},
    "headGroupSpec": {"rayStartParams": dict, POD: dict},
    "workerGroupSpecs": [
        {
            "groupName": str,
            "replicas": int,
            "minReplicas": int,
            "maxReplicas": int,
            "rayStartParams": dict,
            POD: dict,
        }
    ],
}
KINDS: dict[str, dict[str, Any]] = {
    "RayCluster": CLUSTER,
    "RayJob": {
        "entrypoint": str,
        "backoffLimit": int,
        "activeDeadlineSeconds": int,
        "shutdownAfterJobFinishes": bool,
        "ttlSecondsAfterFinished": int,
        "rayClusterSpec": CLUSTER,
    },
    "RayService": {"serveConfigV2": str, "rayClusterConfig": CLUSTER},
}


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def mismatches(value: Any, shape: Any, where: str) -> Iterator[str]:
    """What differs from a shape: a type, a dict of fields, or a list with the shape of elements."""
    if isinstance(shape, list):
        for index, element in enumerate(value):
            yield from mismatches(element, shape[0], f"{where}[{index}]")
    elif isinstance(shape, dict):
        for name, field in value.items():
            if name in shape:
                yield from mismatches(field, shape[name], f"{where}.{name}")
            else:
                yield f"{where}.{name} is no field"
    elif type(value) is not shape:
        yield f"{where} is {value!r}, not {shape.__name__}"


def pods(value: Any) -> Iterator[dict[str, Any]]:
    """The templates of pods within a KubeRay object."""
    if isinstance(value, list):
        for element in value:
            yield from pods(element)
    elif isinstance(value, dict):
        for name, field in value.items():
            yield from [field] if name == POD else pods(field)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_kubernetes_accepts_the_objects(path: Path) -> None:
    for document in documents(path):
        if document["apiVersion"] != "ray.io/v1":
            kubernetes_validate.validate(document, "1.31", strict=True)
            continue
        shape = KINDS[document["kind"]]
        assert not [*mismatches(document["spec"], shape, document["kind"])]
        templates = [*pods(document["spec"])]
        assert len(templates) >= 2
        for template in templates:
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, **template}
            kubernetes_validate.validate(pod, "1.31", strict=True)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_rays_versions_are_those_of_the_image(path: Path) -> None:
    (pinned,) = [
        line.partition("==")[2]
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line.startswith("ray==")
    ]
    assert f"rayproject/ray:{pinned}-" in (SCALE / "Dockerfile").read_text()
    for line in path.read_text().splitlines():
        if "rayVersion:" in line:
            assert f'"{pinned}"' in line


def test_the_service_runs_the_example() -> None:
    pytest.importorskip("ray.serve", reason="needs the extra ray")
    from ray.serve.schema import ServeDeploySchema

    (service,) = documents(SCALE / "ray-service.yaml")
    example = yaml.safe_load((ROOT / "examples" / "ray_serve" / "serve.yaml").read_text())
    config = yaml.safe_load(service["spec"]["serveConfigV2"])
    for one in (config, example):
        ServeDeploySchema.model_validate(one)
    assert [one["import_path"] for one in config["applications"]] == ["faces:app"]


@pytest.mark.parametrize("path", BATCHES, ids=lambda path: path.name)
def test_bash_can_parse_the_batch_script(path: Path) -> None:
    subprocess.run(["bash", "-n", path], check=True)


FAKES = {
    "scontrol": 'printf "a\\nb\\n"',
    # Runs the command on this machine, and records where it would have run.
    "srun": """
        while [[ $1 == -* ]]; do [[ $1 == -w ]] && { node=$2; shift; }; shift; done
        echo "$node: $*" >> "$CALLS"
        exec "$@"
    """,
    "hostname": "echo 10.0.0.1",
    "ray": "[[ $1 == health-check ]] || exec sleep 60",
    # The run begins at once, and both nodes are recorded before it ends.
    "fkd-infer": """
        for _ in {1..200}; do
            [[ $(grep -c "ray start" "$CALLS") == 2 ]] && break
            sleep 0.05
        done
        echo "$RAY_ADDRESS: fkd-infer $*" >> "$CALLS"
        [[ -s $RAY_AUTH_TOKEN_PATH ]] || exit 9
        exit "$CODE"
    """,
}


@pytest.mark.parametrize("code", [0, 3])
def test_the_batch_script_starts_ray_on_each_node(tmp_path: Path, code: int) -> None:
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(f'PATH="{programs}:$PATH"\n')
    for name, body in FAKES.items():
        path = programs / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    calls = tmp_path / "calls"
    environment = os.environ | {
        "VENV": str(tmp_path / "venv"),
        "HOME": str(tmp_path),
        "CALLS": str(calls),
        "CODE": str(code),
        "SLURM_JOB_ID": "12345",
        "SLURM_JOB_NODELIST": "[a-b]",
        "SLURM_CPUS_PER_TASK": "16",
    }
    command = ["bash", str(SCALE / "infer.sbatch"), "/photos", "/faces"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == code, done.stderr
    address = "10.0.0.1:22345"
    lines = calls.read_text().splitlines()
    assert f"{address}: fkd-infer /photos --ray auto --parquet /faces --resume" in lines
    starts = [line for line in lines if "ray start" in line]
    assert len(starts) == 2
    assert any(line.startswith("a: ") and "--head" in line for line in starts)
    assert any(line.startswith("b: ") and f"--address={address}" in line for line in starts)
    assert not [*tmp_path.glob(".fkd-ray-token*")]
