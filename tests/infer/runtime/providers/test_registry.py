"""A provider is one file and one row of the registry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from fake_onnxruntime import CPU, FakeRuntime
from tiny_models import MODELS

from fkd_infer.cli.live import main as live
from fkd_infer.cli.main import main
from fkd_infer.doctor.finding import Finding
from fkd_infer.doctor.providers import provider_checks
from fkd_infer.errors import DeviceLostError, OutOfMemoryError, SettingsError
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.install import install_error
from fkd_infer.runtime.proof import LandmarkProof
from fkd_infer.runtime.providers import registry
from fkd_infer.runtime.providers.base import Driver, ExecutionProvider, NoSettings
from fkd_infer.runtime.providers.registry import PROVIDERS, find_provider, provider_names
from fkd_infer.runtime.run_errors import run_error
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.start import start_session


class Npu(ExecutionProvider[NoSettings]):
    name = "npu"
    onnx_name = "NpuExecutionProvider"
    title = "the NPU"
    memory = "the NPU"
    package = "onnxruntime-npu"
    requirement = "onnxruntime-npu"
    extra = "npu"
    driver = Driver("npu driver", ("npu-info",), "npu-info --all", "install the NPU's driver")
    settings_type = NoSettings

    def options(self, settings: NoSettings, device: str, cache: Path | None) -> dict[str, str]:
        return {"cache": "1"}

    def is_lost(self, error: str) -> bool:
        return "NPU reset" in error


NPU = Npu()


@pytest.fixture
def npu(monkeypatch: pytest.MonkeyPatch) -> ExecutionProvider[Any]:
    """A provider that was added as the first row."""
    rows = (NPU, *PROVIDERS)
    monkeypatch.setattr(registry, "PROVIDERS", rows)
    monkeypatch.setattr("fkd_infer.doctor.providers.PROVIDERS", rows)
    return NPU


@pytest.mark.parametrize("asked", ["npu", "auto"])
def test_a_new_row_is_selectable_and_tried_by_auto(asked: str, npu: ExecutionProvider[Any]) -> None:
    runtime = FakeRuntime([NPU.onnx_name, CPU], [NPU.onnx_name, CPU])
    proof, settings = LandmarkProof(96, 1), SessionSettings(1)
    model = MODELS / "scored.onnx"
    started = start_session(runtime, model, ProviderChoice.of(asked), settings, proof)
    assert started.provider is npu
    assert runtime.sessions[-1].options == {"cache": "1"}


def test_a_new_row_is_in_names_packages_and_checks(npu: ExecutionProvider[Any]) -> None:
    assert "npu" in provider_names()
    assert "onnxruntime-npu" in registry.runtime_packages()
    assert registry.install_command(NPU) == "pip install onnxruntime-npu"
    names = [check.name for check in provider_checks()]
    assert names[:4] == ["npu driver", "npu", "nvidia", "cuda"]
    assert len(set(names)) == len(names)


def test_the_doctor_checks_a_new_rows_driver_and_session(
    npu: ExecutionProvider[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.CompletedProcess([], 0, "NPU 1\n", "")
    monkeypatch.setattr("shutil.which", lambda program: f"/bin/{program}")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: done)
    runtime = FakeRuntime([CPU])
    monkeypatch.setattr("fkd_infer.runtime.install.import_onnxruntime", lambda: runtime)
    driver, session = (check.run() for check in provider_checks()[:2])
    assert driver == Finding("npu driver", "NPU 1")
    repair = "pip uninstall -y onnxruntime && pip install onnxruntime-npu"
    assert session == Finding("npu", "this ONNX Runtime was built without", repair=repair)


def test_errors_name_the_provider() -> None:
    full = run_error(RuntimeError("out of memory"), NPU, "m", "for a batch of 2")
    assert isinstance(full, OutOfMemoryError)
    assert str(full) == (
        "the NPU has not enough free memory for a batch of 2; end what else fills it, use smaller "
        "batches, or use provider 'cpu'"
    )
    lost = run_error(RuntimeError("NPU reset"), NPU, "m", "for a batch of 2")
    assert isinstance(lost, DeviceLostError)


def test_an_unknown_name_raises_with_the_known_ones(fixed_model: Path) -> None:
    with pytest.raises(SettingsError, match="provider is 'tpu'; choose one of: auto, coreml, cpu"):
        find_provider("tpu")
    with pytest.raises(SettingsError, match="provider is 'tpu'"):
        LandmarkSession(fixed_model, "tpu")


def test_several_runtimes_are_reported_with_one_fix() -> None:
    error = install_error(["onnxruntime", "onnxruntime-gpu", "onnxruntime-npu"])
    assert error is not None
    assert "all installed and overwrite each other" in str(error)
    fix = "pip uninstall -y onnxruntime onnxruntime-gpu onnxruntime-npu && pip install "
    assert (error.fix or "").startswith(fix)


@pytest.mark.parametrize("command", [main, live])
def test_the_option_lists_the_rows(command: click.Command) -> None:
    (option,) = [one for one in command.params if one.name == "provider"]
    assert isinstance(option, click.Option)
    assert option.metavar == f"[{'|'.join(provider_names())}]"


def test_the_registry_imports_nothing_heavy() -> None:
    code = (
        "import sys, fkd_infer.runtime.providers.registry\n"
        "print({'numpy', 'cv2', 'av', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
