"""The search of fkd-infer tune: faster configurations win, and noise does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from tiny_models import MODELS

import fkd_infer
from fkd_infer.choices import BATCH
from fkd_infer.cli.main import main
from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.errors import ProviderError
from fkd_infer.models.shipped import find_model
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.providers.cuda import CUDA
from fkd_infer.runtime.providers.cuda_settings import CudaSettings
from fkd_infer.runtime.providers.options import format_settings
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.start import Started
from fkd_infer.runtime.tuned.profile import Profile, read_profile, write_profile
from fkd_infer.tuning import configs, search, subjects
from fkd_infer.tuning.interleaved import Contender
from fkd_infer.tuning.subjects import Landmarks, OwnDetector, Subject
from fkd_infer.tuning.trial import MIN_ROUNDS, RunConfig, Trial, fastest, is_faster
from fkd_infer.tuning.variants import (
    compare_detectors,
    compare_networks,
    detector_variants_of,
    read_card,
    variants_of,
)

CONFIG = RunConfig(Path("m.onnx"), SessionSettings(1))


def trial(rounds: NDArray[np.float64], name: str = "") -> Trial:
    return Trial(name, CONFIG, rounds)


def test_a_difference_beyond_the_noise_wins() -> None:
    noise = np.random.default_rng(0).normal(1, 0.02, (3, 20))
    current, five, ten = (trial(row * f) for row, f in zip(noise, (1, 0.95, 0.9), strict=True))
    assert fastest([current, five, ten], current) is ten
    assert fastest([current, five, ten], ten) is ten
    assert five.speedup(current) == pytest.approx(1 / 0.95, abs=0.02)


def test_drift_between_rounds_does_not_hide_a_difference() -> None:
    drift = np.geomspace(1, 4, 12)
    assert is_faster(trial(0.9 * drift), trial(drift))
    assert not is_faster(trial(drift), trial(0.9 * drift))


def test_differences_below_the_margin_do_not_count() -> None:
    even = np.ones(50)
    assert not is_faster(trial(0.995 * even), trial(even))
    assert is_faster(trial(0.98 * even), trial(even))


def test_too_few_rounds_do_not_count() -> None:
    few = np.ones(MIN_ROUNDS - 1)
    assert not is_faster(trial(0.5 * few), trial(few))


def test_noise_alone_seldom_wins() -> None:
    """Of eight equal trials, another than the first wins in 5 % of the runs at most."""
    rng = np.random.default_rng(1)
    changes = 0
    for _ in range(200):
        alike = [trial(rng.lognormal(0, 0.1, 12)) for _ in range(8)]
        changes += fastest(alike, alike[0]) is not alike[0]
    assert changes <= 10


def with_weights(source: str, out: Path, weights: str = "abcd") -> Path:
    """Writes a tiny network whose card names these weights, in as many bytes as before."""
    content = (MODELS / source).read_bytes()
    for old, new in {
        '"data": "none"': '"data": ""',
        '_sha256": ""': f'_sha256": "{weights}"',
    }.items():
        assert content.count(old.encode()) == 1
        content = content.replace(old.encode(), new.encode())
    out.parent.mkdir(exist_ok=True)
    out.write_bytes(content)
    return out


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """model.onnx, with one variant and files that are none."""
    folder = tmp_path / "family"
    model = with_weights("fixed.onnx", folder / "model.onnx")
    with_weights("not_finite.onnx", folder / "model-int8.onnx")
    with_weights("fixed.onnx", folder / "other.onnx", "wxyz")
    with_weights("scored.onnx", folder / "scored.onnx")
    (folder / "no_card.onnx").write_bytes((MODELS / "no_card.onnx").read_bytes())
    (folder / "notes.onnx").write_text("no model at all")
    (folder / "large.onnx").write_bytes(model.read_bytes() + b"\x00" * 5 * model.stat().st_size)
    return model


def test_variants_have_the_same_weights_and_signature(family: Path) -> None:
    assert [path.name for path in variants_of(family)] == ["model-int8.onnx"]


def test_a_card_without_weights_has_no_variants(fixed_model: Path) -> None:
    assert variants_of(fixed_model) == {}


def test_compares_the_accuracy_of_a_variant(fixed_model: Path) -> None:
    shipped = find_model("fkdnet")
    nme = f"{read_card(shipped).accuracy['official split'].nme:.3f} %"
    assert f"NME {nme} against {nme} (official split)" in compare_networks(shipped, shipped)
    assert "do not say" in compare_networks(fixed_model, shipped)


def test_the_shipped_detector_has_a_variant_in_int8() -> None:
    shipped = find_model("fkd-detector", detectors=True)
    (variant,) = detector_variants_of(shipped)
    assert variant.name == "fkd-detector-int8.onnx"
    assert "average precision" in compare_detectors(variant, shipped)
    assert detector_variants_of(MODELS / "detector.onnx") == []


Cost = Callable[[RunConfig, str], float]


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Callable[[Cost], None]:
    """Replaces timing by a formula, with a little noise, on a machine of 4 threads."""

    def simulate(cost: Cost) -> None:
        kinds: dict[str, tuple[RunConfig, str]] = {}

        def contender(kind: str) -> Callable[..., Contender]:
            def build(name: str, config: RunConfig) -> Contender:
                kinds[name] = replace(config, batch=1), kind
                return Contender(name, [])

            def build_alone(name: str, *arguments: Any) -> Contender:
                kinds[name] = RunConfig(*arguments), kind
                return Contender(name, [])

            return build_alone if kind == "alone" else build

        def time_interleaved(
            contenders: Sequence[Contender], *_: object
        ) -> dict[str, list[list[float]]]:
            rng = np.random.default_rng(0)
            return {
                one.name: [[cost(*kinds[one.name]) * rng.normal(1, 0.005)] for _ in range(10)]
                for one in contenders
            }

        monkeypatch.setattr(subjects, "pipeline_contender", contender("frame"))
        monkeypatch.setattr(subjects, "session_contender", contender("alone"))
        monkeypatch.setattr(search, "time_interleaved", time_interleaved)
        monkeypatch.setattr(configs, "available_threads", lambda: 4)
        monkeypatch.setattr(search, "SessionSettings", lambda: SessionSettings(4))

    return simulate


def tune(
    model: Path, *, goal: Any = "pipeline", only_this_file: bool = True
) -> tuple[Profile, str]:
    output: list[str] = []
    on_cpu = ProviderChoice("cpu")
    profile = search.tune(Landmarks(model, goal), on_cpu, 60, only_this_file, output.append)
    assert profile is not None
    return profile, "\n".join(output)


def test_the_defaults_stay_if_all_are_equally_fast(
    fixed_model: Path, simulated: Callable[[Cost], None]
) -> None:
    simulated(lambda config, _: 0.001 * config.batch)
    profile, output = tune(fixed_model)
    assert (profile.settings, profile.batch, profile.variant) == (SessionSettings(4), BATCH, None)
    assert "all changes" not in output
    assert "nothing is significantly faster" in output


def test_each_step_starts_from_the_result_of_the_one_before(
    fixed_model: Path, simulated: Callable[[Cost], None]
) -> None:
    def cost(config: RunConfig, _: str) -> float:
        slow = 1 + abs(config.settings.threads - 2) + (not config.settings.spin)
        slow += config.settings.level != "extended"
        return slow * (config.batch + 0.01 * (config.batch - 32) ** 2)

    simulated(cost)
    profile, output = tune(fixed_model)
    assert profile.settings == SessionSettings(2, spin=True, level="extended")
    assert profile.batch == 32
    assert "* 2 threads, spinning" in output
    assert "Best: 2 threads, spinning, level extended, 32 faces a call" in output


def test_the_goal_decides_what_is_timed(
    fixed_model: Path, simulated: Callable[[Cost], None]
) -> None:
    """Spinning threads speed up a network alone, and slow down OpenCV."""

    def cost(config: RunConfig, kind: str) -> float:
        return 2 - config.settings.spin * (0.5 if kind == "alone" else -0.5)

    simulated(cost)
    assert not tune(fixed_model)[0].settings.spin
    assert tune(fixed_model, goal="latency")[0].settings.spin


def test_the_result_must_beat_the_defaults(
    fixed_model: Path, simulated: Callable[[Cost], None]
) -> None:
    for cost, threads in ((0.9, 1), (1.0, 4)):
        simulated(lambda config, _, cost=cost: 1.0 if config.settings.threads == 4 else cost)  # type: ignore[misc]
        searching = search._Search(
            Landmarks(fixed_model, "pipeline"), ProviderChoice("cpu"), 60, lambda _: None
        )
        searching.best = RunConfig(fixed_model, SessionSettings(1))
        searching.confirm()
        assert searching.best.settings.threads == threads


def test_a_faster_variant_is_used_and_named(
    family: Path, simulated: Callable[[Cost], None]
) -> None:
    simulated(lambda config, _: 0.5 if config.network.name == "model-int8.onnx" else 1.0)
    profile, output = tune(family, only_this_file=False)
    assert profile.variant is not None
    assert profile.variant.file == "model-int8.onnx"
    assert "model-int8.onnx replaces model.onnx: the cards do not say" in output
    assert tune(family)[0].variant is None


def test_the_detector_is_tuned_too(
    simulated: Callable[[Cost], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated(lambda config, _: 0.001)
    times: dict[str, float] = {}

    def contender(name: str, _: object, config: RunConfig) -> Contender:
        times[name] = 1.0 if config.network.name.endswith("int8.onnx") else 0.5
        return Contender(name, [])

    def time_interleaved(contenders: Sequence[Contender], *_: object) -> object:
        return {one.name: [[times[one.name]] for _ in range(10)] for one in contenders}

    monkeypatch.setattr(subjects, "tuned_detector_contender", contender)
    monkeypatch.setattr(search, "time_interleaved", time_interleaved)
    output: list[str] = []
    on_cpu = ProviderChoice("cpu")
    subject: Subject = OwnDetector(None, on_cpu)
    profile = search.tune(subject, on_cpu, 60, False, output.append)
    assert profile is not None
    assert subject.files()[0].name == "fkd-detector-int8.onnx", "the default on the CPU"
    assert profile.variant is None, "the fp32 file, whose profile it is, was faster"
    write_profile(profile, subject.model)
    assert FkdDetector(provider="cpu", tuned=True).path.name == "fkd-detector.onnx"
    assert FkdDetector(provider="cpu").path.name == "fkd-detector-int8.onnx"
    pipeline = fkd_infer.load(provider="cpu")
    assert pipeline.detector.path == subject.model


def test_faster_options_of_a_provider_are_saved(
    fixed_model: Path, simulated: Callable[[Cost], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated(lambda config, _: 0.5 if CudaSettings(graphs=True) == config.choice.settings else 1.0)

    class OnDevice(Landmarks):
        def start(self, config: RunConfig) -> Started:
            return Started(None, CUDA, "0", Counter())

    monkeypatch.setattr(search, "_seconds_per_face", lambda _: 0.001)
    output: list[str] = []
    profile = search.tune(
        OnDevice(fixed_model, "latency"), ProviderChoice("cuda"), 60, True, output.append
    )
    assert profile is not None
    assert profile.options == ("graphs=on",)
    assert "graphs: significantly faster" in "\n".join(output)


def test_settings_with_which_a_provider_does_not_start_are_left_out(
    fixed_model: Path, simulated: Callable[[Cost], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated(lambda config, _: 0.001 * config.batch)

    class OnDevice(Landmarks):
        def start(self, config: RunConfig) -> Started:
            if format_settings(config.choice.settings or CudaSettings()):
                raise ProviderError("cuda", [], "", "CUDA answers something else")
            return Started(None, CUDA, "0", Counter())

    monkeypatch.setattr(search, "_seconds_per_face", lambda _: 0.001)
    output: list[str] = []
    subject = OnDevice(fixed_model, "pipeline")
    profile = search.tune(subject, ProviderChoice("cuda"), 60, True, output.append)
    assert profile is not None
    assert profile.key.provider == "cuda:0"
    assert profile.options == ()
    text = "\n".join(output)
    assert "graphs: left out; CUDA answers something else" in text
    assert "threads and spinning" not in text


def test_too_little_time_to_compare_anything_saves_nothing(fixed_model: Path, cache: Path) -> None:
    output: list[str] = []
    subject = Landmarks(fixed_model, "pipeline")
    assert search.tune(subject, ProviderChoice("cpu"), 0.1, True, output.append) is None
    assert "skipped, there is no time left" in "\n".join(output)


def test_warns_of_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(search, "available_threads", lambda: 4)
    loads = {4.2: False, 4.8: True, 20.0: True}
    for load, is_busy in loads.items():
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0), raising=False)
        warning = search.busy_warning()
        assert (warning is not None) == is_busy
    assert warning is not None
    assert "load average 20.0 on 8 cores" in warning


def run(*arguments: object) -> Any:
    words = ["tune", *(str(argument) for argument in arguments)]
    return CliRunner().invoke(main, words, catch_exceptions=False)


@pytest.mark.serial
@pytest.mark.slow
def test_the_command_keeps_its_time_and_load_uses_its_profile(fixed_model: Path) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    started = time.monotonic()
    done = run("--model", fixed_model, "--seconds", 12)
    passed = time.monotonic() - started
    assert signal.getsignal(signal.SIGTERM) is handler
    assert done.exit_code == 0, done.output
    assert passed < 12 + 8, "contenders that start slowly may need a little longer"
    profile = read_profile(fixed_model, "cpu")
    assert profile is not None
    assert str(profile.path) in done.output
    pipeline = fkd_infer.load(fixed_model, detector="none")
    assert pipeline.batch == profile.batch
    assert len(pipeline(np.zeros((50, 50, 3), np.uint8))) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signal to one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_saves_nothing(number: int, fixed_model: Path, cache: Path) -> None:
    command = [
        sys.executable,
        "-u",
        "-m",
        "fkd_infer.cli.main",
        "tune",
        "--model",
        str(fixed_model),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Tuning")
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip().endswith("stopped, nothing more was saved")
    assert "Traceback" not in errors
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_an_unwritable_cache_is_reported_before_tuning(fixed_model: Path, cache: Path) -> None:
    cache.write_text("a file")
    done = run("--model", fixed_model)
    assert done.exit_code == 1
    assert "cannot be written" in done.output
    assert "Tuning" not in done.output


def test_a_user_without_a_home_gets_a_fix(
    fixed_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("fkd_infer.runtime.tuned.profile.cache_folder", no_home)
    done = run("--model", fixed_model)
    assert done.exit_code == 1
    assert "FKD_CACHE" in done.output


def test_an_unknown_model_is_one_line() -> None:
    done = run("--model", "nosuch")
    assert done.exit_code == 1
    assert "nosuch: no such model file" in done.output
