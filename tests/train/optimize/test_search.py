"""fkd-export --optimize: what is kept, what is not, and what is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner, Result

from fkd_infer.runtime.session import LandmarkSession
from fkd_train.checkpoints import save_checkpoint
from fkd_train.cli.export import main
from fkd_train.config.landmarks import LandmarkRecipe, landmark_recipe_to_dict
from fkd_train.errors import VerificationError
from fkd_train.export import landmarks as exporting
from fkd_train.export.verify import verify
from fkd_train.graphs.passes import Pass
from fkd_train.models.landmarks import build_landmark_net
from fkd_train.optimize import candidates as making
from fkd_train.optimize import search as optimizing
from fkd_train.optimize.candidates import half_precision, runs_here
from fkd_train.optimize.report import table
from fkd_train.optimize.search import CandidateResult, OptimizationResult, optimize

Blocks = dict[str, list[list[float]]]


@pytest.fixture(scope="module")
def checkpoint(tiny: LandmarkRecipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network whose first dense layer is large enough to be packed."""
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


def speeds(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
    """Candidates take so long by their name, and 1 s where nothing is said."""

    def time_interleaved(contenders: Any, blocks: int, seconds_each: float) -> Blocks:
        return {c.name: [[seconds.get(Path(c.name).stem, 1.0)] * 3] * blocks for c in contenders}

    monkeypatch.setattr(optimizing, "time_interleaved", time_interleaved)
    monkeypatch.setattr(
        making, "time_interleaved", lambda contenders, **_: {c.name: [[1.0]] for c in contenders}
    )


@pytest.fixture(scope="module")
def result(
    checkpoint: Path, drawn_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> OptimizationResult:
    """All that auto makes of it, in a machine where int8 is twice as fast and int4 slower."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        speeds(monkeypatch, int8=0.5, **{"dense-int4": 1.2})
        # Untrained points are far off, so that any change of them is small beside that.
        return optimize(checkpoint, tmp_path_factory.mktemp("out"), drawn_data, "auto", 5.0)


def test_every_kind_of_candidate_is_judged(result: OptimizationResult) -> None:
    names = [one.name for one in result.candidates]
    assert names[:5] == ["fp32", "fp16-weights", "int8", "dense-int8", "dense-int4"]


def judged(result: OptimizationResult, name: str) -> CandidateResult:
    return next(one for one in result.candidates if one.name == name)


def test_what_is_better_is_written_and_the_rest_is_not(result: OptimizationResult) -> None:
    assert {path.name for path in result.folder.iterdir()} == {path.name for path in result.files}
    assert judged(result, "fp32").kept
    assert judged(result, "int8").verdict.startswith("kept: 2.00 times as fast")
    assert judged(result, "fp16-weights").verdict.startswith("kept: 50% of the size")
    assert judged(result, "dense-int4").verdict == "not kept: 20 % slower here; fp32 stays"


def test_only_precision_accuracy_and_parity_of_the_card_change(result: OptimizationResult) -> None:
    cards = [LandmarkSession(path, "cpu").card for path in result.files]
    first = cards[0]
    assert first.precision == "fp32"
    for card, one in zip(cards, [j for j in result.candidates if j.kept], strict=True):
        rest = replace(card, precision="any", accuracy={}, parity=None)
        assert rest == replace(first, precision="any", accuracy={}, parity=None)
        assert card.precision == one.precision
        assert card.accuracy["official split"].nme == pytest.approx(one.nme)
        assert card.parity is not None
        assert card.parity.largest_px == pytest.approx(one.largest_px)
        assert card.parity.faces == "6 real faces"


def test_the_files_compute_what_their_cards_say(result: OptimizationResult) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 1), np.uint8)
    fp32, *others = (LandmarkSession(path, "cpu").run(crops).points for path in result.files)
    for points in others:
        assert 0 < np.abs(points - fp32).max() < 20


def test_the_table_has_a_row_and_a_verdict_for_each(result: OptimizationResult) -> None:
    head, *rows = table(result)
    assert head.split()[0] == "file"
    assert len(rows) == len(result.candidates)
    for row, one in zip(rows, result.candidates, strict=True):
        assert row.startswith(one.file)
        assert row.endswith(one.verdict)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def test_the_command_reports_beside_the_files(
    checkpoint: Path, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds(monkeypatch)
    done = run(checkpoint, "--out", tmp_path / "o", "--data", drawn_data, "--optimize", "fp16")
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "o" / "optimize.json").read_text())
    assert content["schema"] == "fkd-optimize/1"
    assert [one["name"] for one in content["judged"]] == ["fp32", "fp16-weights", "fp16"]
    cuda = content["judged"][2]
    assert (cuda["kept"], cuda["p50_ms"]) == (True, None)
    assert "made for another machine, not timed" in cuda["verdict"]
    page = (tmp_path / "o" / "optimize.md").read_text()
    assert "| tiny-fp16-weights.onnx |" in page
    assert "6 faces, official split" in page


def test_the_command_times_for_real(checkpoint: Path, drawn_data: Path, tmp_path: Path) -> None:
    done = run(checkpoint, "--out", tmp_path, "--data", drawn_data, "--optimize", "fp32")
    assert done.exit_code == 0, done.output
    (one,) = json.loads((tmp_path / "optimize.json").read_text())["judged"]
    assert 0 < one["p50_ms"] < 1000
    assert one["ratio"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(["--optimize", "auto"], "add --data DIR"), (["--half", "h.pt"], "is for a single file")],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    arguments: list[str], why: str, checkpoint: Path, drawn_data: Path, tmp_path: Path
) -> None:
    more = ["--optimize", "fp32", "--data", str(drawn_data)] if "--half" in arguments else []
    done = run(checkpoint, "--out", tmp_path / "o", *arguments, *more)
    assert done.exit_code == 2
    assert why in done.output


def test_int8_that_was_asked_for_and_is_wrong_ships_nothing(
    checkpoint: Path, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds(monkeypatch)
    monkeypatch.setattr(
        optimizing, "_broken_budget", lambda one, fp32, _: None if one is fp32 else "NME +9"
    )
    with pytest.raises(VerificationError, match="int8 is not accurate enough: NME \\+9"):
        optimize(checkpoint, tmp_path / "o", drawn_data, "int8")
    assert not (tmp_path / "o").exists()


def test_a_candidate_over_its_budget_is_not_kept_by_auto(
    checkpoint: Path, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no NME to lose, what changes the points at all is let go or was chance."""
    speeds(monkeypatch)
    found = optimize(checkpoint, tmp_path, drawn_data, "auto", 0.0)
    for one in found.candidates[1:]:
        assert one.kept <= (one.nme_change <= 0)
        if one.nme_change > 0:
            assert "the budget is +0" in one.verdict


def broken_pass(model: onnx.ModelProto) -> onnx.ModelProto:
    """Changes a weight, as a rewrite with a bug would."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    tensor = next(t for t in changed.graph.initializer if 136 in t.dims)
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[::100] += 0.1
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return changed


def test_a_pass_that_changes_a_weight_ships_nothing(
    checkpoint: Path, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "EXACT", (Pass("fold badly", broken_pass),))
    with pytest.raises(VerificationError, match=r"'fold badly', largest difference .* px at face"):
        optimize(checkpoint, tmp_path / "o", drawn_data, "fp32")
    assert not (tmp_path / "o").exists()
    done = run(checkpoint, "--out", tmp_path / "o.onnx")
    assert done.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_differs_ships_no_file(
    checkpoint: Path, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = exporting._to_onnx
    monkeypatch.setattr(exporting, "_to_onnx", lambda n, c: broken_pass(own(n, c)))
    with pytest.raises(VerificationError):
        optimize(checkpoint, tmp_path / "o", drawn_data, "auto")
    assert not (tmp_path / "o").exists()


def test_half_precision_for_cuda_keeps_its_last_steps_in_pixels(
    checkpoint: Path, tmp_path: Path
) -> None:
    source = exporting.load_source(checkpoint)
    fp32, _ = exporting.fp32_model(source, tmp_path / "m.onnx")
    half = half_precision(fp32)
    assert half.ByteSize() < 0.55 * fp32.ByteSize()
    paths = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for path, model in zip(paths, (fp32, half), strict=True):
        onnx.save(model, path)
    faces = exporting.verification_faces(None, source.sampler)
    wanted, found = (LandmarkSession(path, "cpu").run for path in paths)
    assert verify(wanted, found, faces).parity.largest_px < 1.0


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
def test_a_platform_is_timed_where_it_is(
    platform: Any, features: tuple[str, ...], here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "cpu_features", lambda: features)
    assert runs_here(platform) is here


def test_another_platforms_int8_is_kept_untimed(
    checkpoint: Path, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds(monkeypatch)
    monkeypatch.setattr(making, "cpu_features", lambda: ("avx2",))
    found = optimize(checkpoint, tmp_path, drawn_data, "int8", 5.0, "arm")
    one = judged(found, "int8")
    assert (one.kept, one.ratio) == (True, None)
    assert one.precision.endswith("for arm)")
    cards = [LandmarkSession(path, "cpu").card for path in found.files]
    assert [card.platform for card in cards] == ["any", "arm"]
