"""The selection of candidates for a comparison."""

from __future__ import annotations

from pathlib import Path

import pytest
from repo_paths import SHIPPED_MODELS

from benchmarks.networks import candidates
from benchmarks.networks.candidates import (
    FKD_PIPELINE_SETTINGS,
    FKD_SETTINGS,
    all_candidates,
    select_candidates,
)
from benchmarks.networks.network_files import Network
from benchmarks.networks.worker import ENGINES
from fkd_train.errors import RunError

SHIPPED = SHIPPED_MODELS / "fkdnet.onnx"


def test_includes_every_engine_and_gpus_only_if_there_is_one() -> None:
    network = Network("net", SHIPPED, SHIPPED.with_suffix(".pt"), (Path("net-int8.onnx"),))
    on_cpu, skipped = all_candidates(network, ["cpu"])
    names = [candidate.name for candidate in on_cpu]
    assert len(set(names)) == len(names) == 10
    assert names[0] == "torch eager"
    assert names[-1] == f"{FKD_SETTINGS}: net-int8.onnx"
    assert skipped == {}
    both, _ = all_candidates(network, ["cpu", "cuda"])
    cuda = {candidate.name for candidate in both if candidate.device == "cuda"}
    assert cuda == {candidate.name for candidate in both} - set(names)
    assert len(cuda) == 3
    assert {candidate.engine for candidate in both} <= ENGINES.keys()


def test_skips_candidates_that_cannot_run_with_the_reason(
    fixed_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "find_spec", lambda _: None)
    selected = select_candidates(
        Network("fixed", fixed_model, None), 1, ["for pipelines", "OpenVINO", "compile"]
    )
    assert [candidate.name for candidate in selected.candidates] == [FKD_PIPELINE_SETTINGS]
    assert selected.skipped["torch.compile"] == "there is no checkpoint of the network"
    assert "pip install openvino" in selected.skipped["OpenVINO, fp32"]


def test_reports_the_reasons_if_no_candidate_runs(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(RunError, match="nothing can run it: "):
        select_candidates(Network("broken", tmp_path / "broken.onnx", None), 1, ["as it comes"])
