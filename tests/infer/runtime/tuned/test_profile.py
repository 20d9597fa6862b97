"""Profiles of this machine are used for their model, and for nothing else."""

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
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.providers.cuda_settings import CudaSettings
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.tuned import profile as tuned_profile
from fkd_infer.runtime.tuned import session as tuned_session
from fkd_infer.runtime.tuned.profile import (
    ModelVariant,
    Profile,
    ProfileKey,
    read_profile,
    write_profile,
)
from fkd_infer.system.files.reading import file_sha256


@pytest.fixture
def model(fixed_model: Path, tmp_path: Path) -> Path:
    """The fixed network in an empty folder."""
    return Path(shutil.copy(fixed_model, tmp_path / "own.onnx"))


TUNED = SessionSettings(1, spin=True, level="extended")


def profile_of(model: Path, **changed: Any) -> Profile:
    return replace(Profile(ProfileKey.of(model, "cpu"), "pipeline", TUNED, batch=4), **changed)


def save_profile(model: Path, **changed: Any) -> Profile:
    profile = profile_of(model, **changed)
    write_profile(profile, model)
    return profile


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, SessionSettings]]:
    """The file and settings of each session that a test starts."""
    sessions: list[tuple[Path, SessionSettings]] = []

    class RecordingSession(LandmarkSession):
        def __init__(
            self,
            model: str | Path,
            provider: Any,
            settings: SessionSettings,
        ) -> None:
            sessions.append((Path(model), settings))
            super().__init__(model, provider, settings)

    monkeypatch.setattr(tuned_session, "LandmarkSession", RecordingSession)
    return sessions


def load(model: Path, **options: Any) -> Pipeline:
    return fkd_infer.load(model, detector="none", **options)


def test_a_profile_survives_writing_and_reading(model: Path) -> None:
    variant = ModelVariant(model.name, file_sha256(model))
    profile = save_profile(model, variant=variant, goal="latency")
    assert read_profile(model, "cpu") == profile


def test_load_uses_the_profile_and_its_graph(
    model: Path, opened: list[tuple[Path, SessionSettings]]
) -> None:
    profile = save_profile(model)
    pipeline = load(model)
    assert opened == [(profile.graph, replace(TUNED, level="none"))]
    assert pipeline.batch == 4
    assert (pipeline.session.path, pipeline.session.settings) == (model, TUNED)


def test_load_without_a_profile_uses_the_defaults(
    model: Path, opened: list[tuple[Path, SessionSettings]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> str:
        raise AssertionError("the model was read although nothing is tuned")

    monkeypatch.setattr(tuned_profile, "file_sha256", fail)
    assert load(model).batch == BATCH
    assert opened == [(model, SessionSettings())]


@pytest.mark.parametrize("options", [{"tuned": False}, {"settings": SessionSettings()}])
def test_load_can_ignore_the_profile(
    options: dict[str, Any], model: Path, opened: list[tuple[Path, SessionSettings]]
) -> None:
    save_profile(model)
    assert load(model, **options).batch == BATCH
    assert opened == [(model, SessionSettings())]


def test_arguments_override_the_profile(
    model: Path, opened: list[tuple[Path, SessionSettings]]
) -> None:
    save_profile(model)
    load(model, threads=3)
    load(model, threads=3, settings=TUNED)
    load(model, settings=TUNED)
    assert [settings.threads for _, settings in opened] == [3, 3, 1]
    assert all(settings.spin for _, settings in opened)
    with pytest.raises(SettingsError, match="threads is 0"):
        load(model, threads=0)


def test_a_profile_holds_for_its_provider_alone(model: Path) -> None:
    key = ProfileKey.of(model, "openvino:CPU")
    own = Profile(key, "pipeline", TUNED, batch=8, options=("precision=f16",))
    write_profile(own, model)
    assert read_profile(model, "openvino:CPU") == own
    assert not own.graph.exists(), "ONNX Runtime's optimized graph is the CPU's"
    assert read_profile(model, "cpu") is None
    assert load(model).batch == BATCH
    save_profile(model)
    assert load(model).batch == 4


def test_the_provider_of_a_profile_gets_its_options(model: Path) -> None:
    key = ProfileKey.of(model, "cuda:1")
    profile = Profile(key, "pipeline", TUNED, options=("graphs=on", "buckets=1,64"))
    choice = tuned_session.tuned_choice(ProviderChoice("cuda", "1", allow_fallback=True), profile)
    own = CudaSettings((1, 64), graphs=True)
    assert choice == ProviderChoice("cuda", "1", own, allow_fallback=True)


@pytest.mark.parametrize("name", ["own.onnx", DEFAULT_MODEL])
def test_the_optimized_graph_has_the_same_card_and_outputs(name: str, model: Path) -> None:
    path = model if name == model.name else find_model(name)
    save_profile(path, settings=SessionSettings(1))
    before, after = load(path, tuned=False).session, load(path).session
    assert after.card == before.card
    size, channels = before.card.input.size, before.card.input.channels
    crops = np.random.default_rng(0).integers(0, 256, (5, size, size, channels), np.uint8)
    one, other = before.run(crops), after.run(crops)
    np.testing.assert_allclose(one.points, other.points, atol=1e-4)
    if one.scores is not None:
        assert other.scores is not None
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


OTHER_MACHINES: list[dict[str, Any]] = [
    {"cpu_name": lambda: "Another CPU"},
    {"cpu_features": lambda: ("avx2", "none_such")},
    {"available_threads": lambda: 77},
]


@pytest.mark.parametrize("change", OTHER_MACHINES, ids=lambda change: next(iter(change)))
def test_profiles_and_graphs_are_per_machine(
    change: dict[str, Any],
    model: Path,
    opened: list[tuple[Path, SessionSettings]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = save_profile(model)
    for name, value in change.items():
        monkeypatch.setattr(tuned_profile, name, value)
    assert load(model).batch == BATCH
    assert opened[0][0] == model
    other = profile_of(model)
    assert other.path != here.path
    assert other.graph != here.graph


def test_a_profile_is_not_used_for_another_model_of_the_same_name(
    model: Path, opened: list[tuple[Path, SessionSettings]], fixed_model: Path
) -> None:
    save_profile(model)
    shutil.copy(fixed_model.with_name("scored.onnx"), model)
    assert load(model).batch == BATCH
    assert opened == [(model, SessionSettings())]


def only_warning(caplog: pytest.LogCaptureFixture) -> str:
    """Returns the only warning, which names the fix."""
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "fkd-infer tune --model" in record.getMessage()
    return record.getMessage()


def test_a_profile_of_another_runtime_is_not_used(
    model: Path,
    opened: list[tuple[Path, SessionSettings]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import onnxruntime

    profile = save_profile(model)
    monkeypatch.setattr(onnxruntime, "__version__", "99.0")
    assert load(model).batch == BATCH
    assert opened == [(model, SessionSettings())]
    assert "but here it is '99.0'" in only_warning(caplog)
    assert profile_of(model).graph != profile.graph


def change_json(**changes: object) -> Any:
    def change(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


DAMAGES: dict[str, tuple[Any, str]] = {
    "cut off": (lambda path: path.write_text(path.read_text()[:40]), "line"),
    "empty": (lambda path: path.write_text(""), "line 1"),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "decode"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "directory"),
    "lists in lists": (lambda path: path.write_text("[" * 100_000), "nested too deeply"),
    "a number without an end": (lambda path: path.write_text("9" * 5000), "4300 digits"),
    "no object": (lambda path: path.write_text("[]"), "not a table"),
    "another version": (change_json(version=1), "version 1"),
    "an unknown field": (change_json(speed=3), "profile.speed"),
    "an impossible batch": (change_json(batch=0), "batch is 0"),
    "impossible threads": (change_json(settings={"threads": 0}), "threads is 0"),
    "a word for a number": (change_json(batch="many"), "profile.batch is 'many'"),
    "a place elsewhere": (
        change_json(variant={"file": "../x.onnx", "sha256": ""}),
        "not the name of a file",
    ),
    "a variant that is gone": (
        change_json(variant={"file": "gone.onnx", "sha256": ""}),
        "gone.onnx has changed or is gone",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_profile_is_reported_and_not_used(
    damage: str,
    model: Path,
    opened: list[tuple[Path, SessionSettings]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = save_profile(model).path
    apply, message = DAMAGES[damage]
    apply(path)
    assert load(model).batch == BATCH
    assert opened == [(model, SessionSettings())]
    text = only_warning(caplog)
    assert str(path) in text
    assert message in text


def test_a_damaged_graph_is_reported_and_the_network_used(
    model: Path,
    opened: list[tuple[Path, SessionSettings]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    profile = save_profile(model)
    profile.graph.write_bytes(profile.graph.read_bytes()[:200])
    pipeline = load(model)
    assert opened[-1] == (model, TUNED)
    assert pipeline.batch == 4
    assert str(profile.graph) in only_warning(caplog)
    assert len(pipeline(np.zeros((SIZE, SIZE, 3), np.uint8))) == 1


def test_a_deleted_graph_is_not_reported(
    model: Path, opened: list[tuple[Path, SessionSettings]], caplog: pytest.LogCaptureFixture
) -> None:
    save_profile(model).graph.unlink()
    load(model)
    assert opened == [(model, TUNED)]
    assert not caplog.records


def test_a_variant_replaces_the_model_until_it_changes(
    model: Path,
    fixed_model: Path,
    opened: list[tuple[Path, SessionSettings]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = Path(shutil.copy(fixed_model.with_name("scored.onnx"), model.parent))
    profile = save_profile(model, variant=ModelVariant(other.name, file_sha256(other)))
    pipeline = load(model)
    assert opened[0][0] == profile.graph
    assert pipeline.card.output.score
    assert pipeline.session.path == other
    other.write_bytes(other.read_bytes() + b"\x00")
    assert not load(model).card.output.score
    assert "scored.onnx" in only_warning(caplog)


def test_writing_a_profile_again_leaves_one_graph(model: Path) -> None:
    first, second = (
        save_profile(model),
        save_profile(model, settings=SessionSettings(1, level="basic")),
    )
    assert not first.graph.exists()
    assert set(second.path.parent.iterdir()) == {second.path, second.graph}
    last = save_profile(model, settings=SessionSettings(1, level="none"))
    assert set(last.path.parent.iterdir()) == {last.path}


def test_an_unwritable_cache_raises(model: Path, cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        save_profile(model)
    assert load(model).batch == BATCH


def test_a_user_without_a_home_has_no_profiles(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(tuned_profile, "cache_folder", no_home)
    assert load(model).batch == BATCH
