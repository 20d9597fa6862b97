"""fkd-export --optimize of landmark networks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner, Result
from tiny_models import MODELS

from fkd_infer.errors import ProviderError
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.cuda import CUDA
from fkd_infer.runtime.session import LandmarkSession
from fkd_train.checkpoints import save_checkpoint
from fkd_train.cli.export import main
from fkd_train.config.landmarks import LandmarkRecipe, landmark_recipe_to_dict
from fkd_train.errors import VerificationError
from fkd_train.export import landmarks as landmark_export
from fkd_train.export.sources import checkpoint as checkpoint_source
from fkd_train.export.sources.checkpoint import load_checkpoint_source
from fkd_train.export.torch_to_onnx import landmarks_to_onnx
from fkd_train.export.verify import verification_faces, verify
from fkd_train.graphs.half_precision import half_precision
from fkd_train.graphs.passes import Pass
from fkd_train.models.landmarks import build_landmark_net
from fkd_train.optimize import candidates as candidate_module
from fkd_train.optimize import context, measurements, platforms
from fkd_train.optimize import landmarks as landmark_optimization
from fkd_train.optimize.landmarks import CandidateResult, OptimizationResult, optimize_landmarks
from fkd_train.optimize.platforms import runs_here
from fkd_train.optimize.report import table

Blocks = dict[str, list[list[float]]]


@pytest.fixture(scope="module")
def checkpoint(tiny: LandmarkRecipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of an untrained network with a large dense layer."""
    torch.manual_seed(0)
    network = build_landmark_net(tiny.model.spec(68))
    path = tmp_path_factory.mktemp("optimize") / "last.pt"
    content = {
        "recipe": landmark_recipe_to_dict(tiny),
        "points": 68,
        "weights": network.state_dict(),
    }
    save_checkpoint(path, {**content, "progress": {"epoch": 1}})
    return path


def set_seconds(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
    """Sets the time of a call by the candidate's name; the default is 1 s."""

    def time_interleaved(contenders: Any, blocks: int, seconds_each: float) -> Blocks:
        return {c.name: [[seconds.get(Path(c.name).stem, 1.0)] * 3] * blocks for c in contenders}

    monkeypatch.setattr(measurements, "time_interleaved", time_interleaved)
    monkeypatch.setattr(
        candidate_module,
        "time_interleaved",
        lambda contenders, **_: {c.name: [[1.0]] for c in contenders},
    )


def optimize(checkpoint: Path, data: Path, *arguments: Any) -> OptimizationResult:
    return optimize_landmarks(load_checkpoint_source(checkpoint, data), *arguments)


@pytest.fixture(scope="module")
def result(
    checkpoint: Path, drawn_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> OptimizationResult:
    """The result of auto on a machine where int8 is twice as fast, and int4 slower."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_seconds(monkeypatch, int8=0.5, **{"dense-int4": 1.2})
        # Untrained points are far off, so that NME changes are relatively small.
        return optimize(checkpoint, drawn_data, tmp_path_factory.mktemp("out"), "auto", 5.0)


def test_auto_makes_every_kind_of_candidate(result: OptimizationResult) -> None:
    names = [each.name for each in result.candidates]
    assert names[:5] == ["fp32", "fp16-weights", "int8", "dense-int8", "dense-int4"]


def candidate(result: OptimizationResult, name: str) -> CandidateResult:
    return next(each for each in result.candidates if each.name == name)


def test_writes_only_candidates_that_pay(result: OptimizationResult) -> None:
    assert {path.name for path in result.folder.iterdir()} == {path.name for path in result.files}
    assert candidate(result, "fp32").kept
    assert candidate(result, "int8").verdict.startswith("kept: 2.00 times as fast")
    assert candidate(result, "fp16-weights").verdict.startswith("kept: 50% of the size")
    assert candidate(result, "dense-int4").verdict == "not kept: 20 % slower here; fp32 stays"


def test_cards_differ_only_in_precision_accuracy_and_parity(result: OptimizationResult) -> None:
    cards = [LandmarkSession(path, "cpu").card for path in result.files]
    first = cards[0]
    assert first.precision == "fp32"
    for card, each in zip(cards, [j for j in result.candidates if j.kept], strict=True):
        rest = replace(card, precision="any", accuracy={}, parity=None)
        assert rest == replace(first, precision="any", accuracy={}, parity=None)
        assert card.precision == each.precision
        assert card.accuracy["official split"].nme == pytest.approx(each.nme)
        assert card.parity is not None
        assert card.parity.largest_px == pytest.approx(each.largest_px)
        assert card.parity.faces == "6 real faces"


def test_the_files_compute_similar_points(result: OptimizationResult) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 1), np.uint8)
    fp32, *others = (LandmarkSession(path, "cpu").run(crops).points for path in result.files)
    for points in others:
        assert 0 < np.abs(points - fp32).max() < 20


def test_the_table_has_a_row_and_a_verdict_per_candidate(result: OptimizationResult) -> None:
    head, *rows = table(result)
    assert head.split()[0] == "file"
    assert len(rows) == len(result.candidates)
    for row, each in zip(rows, result.candidates, strict=True):
        assert row.startswith(each.file)
        assert row.endswith(each.verdict)


def run(*arguments: str | Path) -> Result:
    texts = [str(argument) for argument in arguments]
    return CliRunner().invoke(main, texts, catch_exceptions=False)


def test_the_command_writes_reports_beside_the_files(
    checkpoint: Path, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_seconds(monkeypatch)
    ran = run(checkpoint, "--out", tmp_path / "o", "--data", drawn_data, "--optimize", "fp16")
    assert ran.exit_code == 0, ran.output
    content = json.loads((tmp_path / "o" / "optimize.json").read_text())
    assert content["schema"] == "fkd-optimize/1"
    assert [each["name"] for each in content["judged"]] == ["fp32", "fp16-weights", "fp16"]
    cuda = content["judged"][2]
    assert (cuda["kept"], cuda["p50_ms"]) == (True, None)
    assert "made for another machine, not timed" in cuda["verdict"]
    page = (tmp_path / "o" / "optimize.md").read_text()
    assert "| tiny-fp16-weights.onnx |" in page
    assert "6 faces, official split" in page


def test_the_command_times_files(checkpoint: Path, drawn_data: Path, tmp_path: Path) -> None:
    ran = run(checkpoint, "--out", tmp_path, "--data", drawn_data, "--optimize", "fp32")
    assert ran.exit_code == 0, ran.output
    (each,) = json.loads((tmp_path / "optimize.json").read_text())["judged"]
    assert 0 < each["p50_ms"] < 1000
    assert each["ratio"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(["--optimize", "auto"], "add --data DIR"), (["--half", "h.pt"], "is for a single file")],
)
def test_refuses_options_that_exclude_each_other(
    arguments: list[str], why: str, checkpoint: Path, drawn_data: Path, tmp_path: Path
) -> None:
    more = ["--optimize", "fp32", "--data", str(drawn_data)] if "--half" in arguments else []
    ran = run(checkpoint, "--out", tmp_path / "o", *arguments, *more)
    assert ran.exit_code == 2
    assert why in ran.output


def test_writes_nothing_if_a_requested_candidate_is_inaccurate(
    checkpoint: Path, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_seconds(monkeypatch)
    monkeypatch.setattr(
        landmark_optimization,
        "accuracy_problem",
        lambda measured, fp32, _: None if measured is fp32 else "NME +9",
    )
    with pytest.raises(VerificationError, match="int8 is not accurate enough: NME \\+9"):
        optimize(checkpoint, drawn_data, tmp_path / "o", "int8")
    assert not (tmp_path / "o").exists()


def test_auto_keeps_no_candidate_over_the_budget(
    checkpoint: Path, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a budget of 0, only candidates with the same or a lower NME are kept."""
    set_seconds(monkeypatch)
    result = optimize(checkpoint, drawn_data, tmp_path, "auto", 0.0)
    for each in result.candidates[1:]:
        assert each.kept <= (each.nme_change <= 0)
        if each.nme_change > 0:
            assert "the budget is +0" in each.verdict


def broken_pass(model: onnx.ModelProto) -> onnx.ModelProto:
    """A pass with a bug: it changes weights."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    tensor = next(t for t in changed.graph.initializer if 136 in t.dims)
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[::100] += 0.1
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return changed


def test_writes_nothing_if_a_pass_changes_a_weight(
    checkpoint: Path, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landmark_export, "EXACT_PASSES", (Pass("fold badly", broken_pass),))
    with pytest.raises(VerificationError, match=r"'fold badly', largest difference .* px at face"):
        optimize(checkpoint, drawn_data, tmp_path / "o", "fp32")
    assert not (tmp_path / "o").exists()
    ran = run(checkpoint, "--out", tmp_path / "o.onnx")
    assert ran.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_writes_nothing_if_the_export_differs(
    checkpoint: Path, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        checkpoint_source,
        "landmarks_to_onnx",
        lambda *given: broken_pass(landmarks_to_onnx(*given)),
    )
    with pytest.raises(VerificationError):
        optimize(checkpoint, drawn_data, tmp_path / "o", "auto")
    assert not (tmp_path / "o").exists()


def test_half_precision_keeps_pixels_in_fp32(checkpoint: Path, tmp_path: Path) -> None:
    source = load_checkpoint_source(checkpoint)
    fp32, _ = landmark_export.fp32_model(source, tmp_path / "m.onnx")
    half = half_precision(fp32)
    assert half.ByteSize() < 0.55 * fp32.ByteSize()
    paths = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for path, model in zip(paths, (fp32, half), strict=True):
        onnx.save(model, path)
    faces = verification_faces(None, source.sampler)
    predict_fp32, predict_half = (LandmarkSession(path, "cpu").run for path in paths)
    assert verify(predict_fp32, predict_half, faces).parity.largest_px < 1.0


@pytest.mark.parametrize(
    ("platform", "features", "here"),
    [
        ("any", (), True),
        ("avx2", ("avx2",), True),
        ("avx2", ("avx2", "avx512_vnni"), False),
        ("vnni", ("avx2",), False),
        ("vnni", ("avx2", "avx_vnni"), True),
        ("arm", ("avx2", "avx_vnni"), False),
        ("arm", ("asimddp",), True),
    ],
)
def test_runs_here_compares_the_cpu_with_the_platform(
    platform: Any, features: tuple[str, ...], here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platforms, "cpu_features", lambda: features)
    assert runs_here(platform) is here


def test_keeps_int8_for_another_platform_untimed(
    checkpoint: Path, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_seconds(monkeypatch)
    monkeypatch.setattr(platforms, "cpu_features", lambda: ("avx2",))
    result = optimize(checkpoint, drawn_data, tmp_path, "int8", 5.0, "arm")
    int8 = candidate(result, "int8")
    assert (int8.kept, int8.ratio) == (True, None)
    assert int8.precision.endswith("for arm)")
    cards = [LandmarkSession(path, "cpu").card for path in result.files]
    assert [card.platform for card in cards] == ["any", "arm"]


@pytest.mark.parametrize("starts", [False, True])
def test_half_precision_is_made_for_a_provider_that_starts_here(
    starts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime may be built with CUDA on a machine without a GPU."""
    asked: list[str] = []

    def open_session(_: Path, choice: ProviderChoice) -> None:
        asked.append(str(choice))
        if not starts:
            raise ProviderError(str(choice), ["cpu"], "", "CUDA did not start")

    model = onnx.load(MODELS / "scored.onnx")
    monkeypatch.setattr(context, "usable_providers", lambda _: [CUDA, CPU])
    monkeypatch.setattr(context, "LandmarkSession", open_session)
    nothing = cast(Any, None)
    searched = context.OptimizationContext(model, nothing, nothing, 0.1, "any", tmp_path)
    assert searched.half_precision_provider() == ("cuda" if starts else None)
    assert asked == ["cuda"]
