"""Profiles of this machine: used where they hold, and nowhere else."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import SIZE

import fkd_infer
from fkd_infer.choices import BATCH, DEFAULT_MODEL
from fkd_infer.errors import OutputError, SettingsError
from fkd_infer.models.shipped import find_model
from fkd_infer.pipeline import Pipeline
from fkd_infer.runtime import tuned_profile
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.tuned_profile import (
    ModelVariant,
    Profile,
    ProfileKey,
    read_profile,
    write_profile,
)
from fkd_infer.system.files.reading import file_sha256


@pytest.fixture
def model(fixed_model: Path, tmp_path: Path) -> Path:
    """The fixed network in a folder of its own."""
    return Path(shutil.copy(fixed_model, tmp_path / "own.onnx"))


TUNED = SessionSettings(1, spin=True, level="extended")


def profile_of(model: Path, **changed: Any) -> Profile:
    return replace(Profile(ProfileKey.of(model), "pipeline", TUNED, batch=4), **changed)


def written(model: Path, **changed: Any) -> Profile:
    profile = profile_of(model, **changed)
    write_profile(profile, model)
    return profile


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, SessionSettings]]:
    """The file and settings of each session that a test opens."""
    found: list[tuple[Path, SessionSettings]] = []

    class Noting(LandmarkSession):
        def __init__(
            self,
            model: str | Path,
            provider: Any,
            settings: SessionSettings,
            provider_settings: Any = None,
        ) -> None:
            found.append((Path(model), settings))
            super().__init__(model, provider, settings, provider_settings)

    monkeypatch.setattr(tuned_profile, "LandmarkSession", Noting)
    return found


def load(model: Path, **options: Any) -> Pipeline:
    return fkd_infer.load(model, detector="none", **options)


def test_a_profile_is_read_as_it_was_written(model: Path) -> None:
    variant = ModelVariant(model.name, file_sha256(model))
    profile = written(model, variant=variant, goal="latency")
    assert read_profile(model) == profile


def test_load_uses_the_profile_and_the_graph_made_for_it(
    model: Path, opened: list[tuple[Path, SessionSettings]]
) -> None:
    profile = written(model)
    pipeline = load(model)
    assert opened == [(profile.graph, replace(TUNED, level="none"))]
    assert pipeline.batch == 4
    assert (pipeline.session.path, pipeline.session.settings) == (model, TUNED)


def test_without_a_profile_all_is_as_ever(
    model: Path, opened: list[tuple[Path, SessionSettings]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_needed(_: Path) -> str:
        raise AssertionError("nothing was tuned, and the whole model was read")

    monkeypatch.setattr(tuned_profile, "file_sha256", not_needed)
    assert load(model).batch == BATCH
    assert opened == [(model, SessionSettings())]


@pytest.mark.parametrize("options", [{"tuned": False}, {"settings": SessionSettings()}])
def test_a_profile_can_be_left_out(
    options: dict[str, Any], model: Path, opened: list[tuple[Path, SessionSettings]]
) -> None:
    written(model)
    assert load(model, **options).batch == BATCH
    assert opened == [(model, SessionSettings())]


def test_what_is_said_wins(model: Path, opened: list[tuple[Path, SessionSettings]]) -> None:
    written(model)
    load(model, threads=3)
    load(model, threads=3, settings=TUNED)
    load(model, settings=TUNED)
    assert [settings.threads for _, settings in opened] == [3, 3, 1]
    assert all(settings.spin for _, settings in opened)
    with pytest.raises(SettingsError, match="threads is 0"):
        load(model, threads=0)


def test_a_profile_says_nothing_about_cuda(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    offered = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: offered)
    assert not tuned_profile._is_tunable("auto")
    assert not tuned_profile._is_tunable("cuda")
    assert tuned_profile._is_tunable("cpu")


@pytest.mark.parametrize("name", ["own.onnx", DEFAULT_MODEL])
def test_the_rewritten_graph_has_the_same_card_and_answers(name: str, model: Path) -> None:
    path = model if name == model.name else find_model(name)
    written(path, settings=SessionSettings(1))
    before, after = load(path, tuned=False).session, load(path).session
    assert after.card == before.card
    size, channels = before.card.input.size, before.card.input.channels
    crops = np.random.default_rng(0).integers(0, 256, (5, size, size, channels), np.uint8)
    one, other = before.run(crops), after.run(crops)
    np.testing.assert_allclose(one.points, other.points, atol=1e-4)
    if one.scores is not None:
        assert other.scores is not None
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


ELSEWHERE: list[dict[str, Any]] = [
    {"cpu_name": lambda: "Another CPU"},
    {"cpu_features": lambda: ("avx2", "none_such")},
    {"available_threads": lambda: 77},
]


@pytest.mark.parametrize("change", ELSEWHERE, ids=lambda change: next(iter(change)))
def test_another_machine_has_another_profile_and_graph(
    change: dict[str, Any],
    model: Path,
    opened: list[tuple[Path, SessionSettings]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = written(model)
    for name, value in change.items():
        monkeypatch.setattr(tuned_profile, name, value)
    assert load(model).batch == BATCH
    assert opened[0][0] == model
    there = profile_of(model)
    assert there.path != here.path
    assert there.graph != here.graph


def test_another_model_of_the_same_name_is_not_taken_for_it(
    model: Path, opened: list[tuple[Path, SessionSettings]], fixed_model: Path
) -> None:
    written(model)
    shutil.copy(fixed_model.with_name("scored.onnx"), model)
    assert load(model).batch == BATCH
    assert opened == [(model, SessionSettings())]


def warned(caplog: pytest.LogCaptureFixture) -> str:
    """The one warning, which names the repair."""
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "fkd-infer tune --model" in record.getMessage()
    return record.getMessage()


def test_another_runtime_uses_neither_profile_nor_graph(
    model: Path,
    opened: list[tuple[Path, SessionSettings]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import onnxruntime

    profile = written(model)
    monkeypatch.setattr(onnxruntime, "__version__", "99.0")
    assert load(model).batch == BATCH
    assert opened == [(model, SessionSettings())]
    assert "here '99.0'" in warned(caplog)
    assert profile_of(model).graph != profile.graph


def changed_json(**changes: object) -> Any:
    def change(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


DAMAGES: dict[str, tuple[Any, str]] = {
    "cut off": (lambda path: path.write_text(path.read_text()[:40]), "line"),
    "empty": (lambda path: path.write_text(""), "line 1"),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "decode"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "directory"),
    "lists in lists": (lambda path: path.write_text("[" * 100_000), "recursion"),
    "a number without an end": (lambda path: path.write_text("9" * 5000), "4300 digits"),
    "no object": (lambda path: path.write_text("[]"), "no table"),
    "another version": (changed_json(version=2), "version 2"),
    "an unknown field": (changed_json(speed=3), "profile.speed"),
    "an impossible batch": (changed_json(batch=0), "batch is 0"),
    "impossible threads": (changed_json(settings={"threads": 0}), "threads is 0"),
    "a word for a number": (changed_json(batch="many"), "profile.batch is 'many'"),
    "a place elsewhere": (
        changed_json(variant={"file": "../x.onnx", "sha256": ""}),
        "not the name of a file",
    ),
    "a variant that is gone": (
        changed_json(variant={"file": "gone.onnx", "sha256": ""}),
        "gone.onnx is not the file that it was",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_profile_is_told_of_and_not_used(
    damage: str,
    model: Path,
    opened: list[tuple[Path, SessionSettings]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = written(model).path
    harm, said = DAMAGES[damage]
    harm(path)
    assert load(model).batch == BATCH
    assert opened == [(model, SessionSettings())]
    text = warned(caplog)
    assert str(path) in text
    assert said in text


def test_a_damaged_graph_is_told_of_and_made_anew_at_load(
    model: Path,
    opened: list[tuple[Path, SessionSettings]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    profile = written(model)
    profile.graph.write_bytes(profile.graph.read_bytes()[:200])
    pipeline = load(model)
    assert opened[-1] == (model, TUNED)
    assert pipeline.batch == 4
    assert str(profile.graph) in warned(caplog)
    assert len(pipeline(np.zeros((SIZE, SIZE, 3), np.uint8))) == 1


def test_a_graph_that_was_deleted_is_not_missed(
    model: Path, opened: list[tuple[Path, SessionSettings]], caplog: pytest.LogCaptureFixture
) -> None:
    written(model).graph.unlink()
    load(model)
    assert opened == [(model, TUNED)]
    assert not caplog.records


def test_a_variant_stands_in_for_the_model_while_it_is_the_same(
    model: Path,
    fixed_model: Path,
    opened: list[tuple[Path, SessionSettings]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = Path(shutil.copy(fixed_model.with_name("scored.onnx"), model.parent))
    profile = written(model, variant=ModelVariant(other.name, file_sha256(other)))
    pipeline = load(model)
    assert opened[0][0] == profile.graph
    assert pipeline.card.output.score
    assert pipeline.session.path == other
    other.write_bytes(other.read_bytes() + b"\x00")
    assert not load(model).card.output.score
    assert "scored.onnx" in warned(caplog)


def test_tuning_anew_leaves_one_graph(model: Path) -> None:
    first, second = written(model), written(model, settings=SessionSettings(1, level="basic"))
    assert not first.graph.exists()
    kept = {second.path, second.graph}
    assert set(second.path.parent.iterdir()) == kept
    last = written(model, settings=SessionSettings(1, level="none"))
    assert set(last.path.parent.iterdir()) == {last.path}


def test_a_cache_that_cannot_be_written_is_one_error(model: Path, cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        written(model)
    assert load(model).batch == BATCH


def test_a_user_without_a_home_has_no_profiles(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(tuned_profile, "cache_folder", homeless)
    assert load(model).batch == BATCH
