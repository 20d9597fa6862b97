"""The doctor finds each fault that a test injects, and names its repair."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from fkd_infer.cli.doctor import main
from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.doctor import checks, machine, networks, packages
from fkd_infer.doctor import finding as findings
from fkd_infer.doctor.checks import CHECKS, examine
from fkd_infer.doctor.finding import Check, Finding
from fkd_infer.doctor.providers import check_driver, check_provider, other_providers
from fkd_infer.errors import InstallError, ProviderError
from fkd_infer.runtime import proof
from fkd_infer.runtime.install import install_error
from fkd_infer.runtime.providers.cuda import CUDA
from fkd_infer.runtime.providers.tensorrt import TENSORRT
from fkd_infer.runtime.tuned.profile import Profile, ProfileKey, write_profile
from fkd_infer.types import Detections


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FKD_CACHE", str(tmp_path / "cache"))


def install(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Pretends that these packages are installed, and no others."""
    installed = {name.replace("_", "-"): number for name, number in versions.items()}

    def version(package: str) -> str:
        if package not in installed:
            raise PackageNotFoundError(package)
        return installed[package]

    monkeypatch.setattr(findings, "version", version)


def break_import(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr(packages, "import_module", fail)


def import_as(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    monkeypatch.setattr(packages, "import_module", lambda _: module)


def problem_and_repair(finding: Finding) -> str:
    """Returns the finding's problem and repair."""
    assert finding.problem is not None
    assert finding.repair is not None
    return f"{finding.problem} | {finding.repair}"


def test_finds_no_problem_here() -> None:
    findings = examine()
    assert [finding for finding in findings if finding.problem] == []
    names = [finding.name for finding in findings]
    assert len(set(names)) == len(names)
    every = [check.name for check in CHECKS]
    assert names == [name for name in every if name in names]
    assert {"onnx runtime", "providers", "model", "detector", "tuning"} <= set(names)


LIBGL = ImportError("libGL.so.1: cannot open shared object file: No such file or directory")
OPENCV = "pip install --force-reinstall 'opencv-python-headless<6,>=4.10'"


def test_an_opencv_that_needs_a_desktop_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, opencv_python="4.14.0.94")
    break_import(monkeypatch, LIBGL)
    finding = packages.opencv()
    assert finding.fact == "opencv-python 4.14.0.94"
    assert "libGL.so.1" in problem_and_repair(finding)
    assert finding.repair == f"pip uninstall -y opencv-python && {OPENCV}"


def test_a_missing_opencv_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    break_import(monkeypatch, ModuleNotFoundError("No module named 'cv2'"))
    finding = packages.opencv()
    assert (finding.fact, finding.repair) == ("not installed", OPENCV)


def test_two_opencv_wheels_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, opencv_python="4.12", opencv_python_headless="4.14")
    finding = packages.opencv()
    assert "opencv-python and opencv-python-headless are all installed" in problem_and_repair(
        finding
    )
    assert finding.repair is not None
    assert finding.repair.startswith("pip uninstall -y opencv-python opencv-python-headless && ")


NO_CASCADES = "opencv-python-headless 5.0.0; no face cascades: detector haar cannot be used"


def test_reports_an_opencv_without_cascade_classifiers(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, opencv_python_headless="5.0.0")
    import_as(monkeypatch, SimpleNamespace(__version__="5.0.0", __file__=cv2.__file__))
    assert packages.opencv() == Finding("opencv", NO_CASCADES)


def test_reports_a_missing_cascade_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, opencv_python_headless="5.0.0")
    import_as(monkeypatch, SimpleNamespace(CascadeClassifier=1, __file__=str(tmp_path / "x")))
    assert packages.opencv() == Finding("opencv", NO_CASCADES)


def test_reports_the_version_of_a_complete_opencv(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, opencv_python_headless="4.14.0.94")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "haarcascade_frontalface_default.xml").touch()
    import_as(monkeypatch, SimpleNamespace(CascadeClassifier=1, __file__=str(tmp_path / "x")))
    assert packages.opencv() == Finding("opencv", "opencv-python-headless 4.14.0.94")


@pytest.mark.parametrize(
    ("check", "repair"),
    [
        (packages.numpy, "pip install --force-reinstall 'numpy>=1.26'"),
        (packages.pyav, "pip install --force-reinstall 'av>=18'"),
    ],
)
def test_a_broken_package_is_reinstalled(
    check: Callable[[], Finding], repair: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_import(monkeypatch, AttributeError("_ARRAY_API not finding"))
    finding = check()
    assert "AttributeError: _ARRAY_API not finding" in problem_and_repair(finding)
    assert finding.repair == repair


def test_a_missing_runtime_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    assert "| pip install onnxruntime" in problem_and_repair(packages.onnx_runtime())


def test_two_runtimes_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, onnxruntime="1.32", onnxruntime_gpu="1.31")
    finding = packages.onnx_runtime()
    assert finding.fact == "onnxruntime 1.32, onnxruntime-gpu 1.31"
    assert "overwrite each other" in problem_and_repair(finding)
    repair = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'onnxruntime-gpu["
    assert repair in problem_and_repair(finding)


def test_an_incomplete_runtime_is_reinstalled(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, onnxruntime="1.32")
    monkeypatch.setattr("fkd_infer.runtime.install._packages_on_path", lambda _: ["onnxruntime"])
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    assert "most of its files are missing" in problem_and_repair(packages.onnx_runtime())
    assert "--force-reinstall --no-deps onnxruntime" in problem_and_repair(packages.onnx_runtime())


def test_a_runtime_that_fails_to_import_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, onnxruntime="1.32")
    monkeypatch.setattr("fkd_infer.runtime.install._packages_on_path", lambda _: ["onnxruntime"])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "cannot be imported: ModuleNotFoundError" in problem_and_repair(packages.onnx_runtime())


def nvidia_smi(monkeypatch: pytest.MonkeyPatch, code: int, output: str) -> None:
    done = subprocess.CompletedProcess([], code, output, "")
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/nvidia-smi")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: done)


def no_nvidia_smi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)


def test_reports_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi(monkeypatch, 0, "NVIDIA X, 580.1, 24564 MiB\n")
    assert check_driver(CUDA) == Finding("nvidia", "NVIDIA X, 580.1, 24564 MiB")


def test_a_silent_driver_is_a_problem_for_the_gpu_runtime_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nvidia_smi(monkeypatch, 18, "Failed to initialize NVML: Driver/library version mismatch\n")
    install(monkeypatch, onnxruntime="1.32")
    assert check_driver(CUDA).problem is None
    install(monkeypatch, onnxruntime_gpu="1.31")
    assert "version mismatch | nvidia-smi  (" in problem_and_repair(check_driver(CUDA))


def replace_runtime(monkeypatch: pytest.MonkeyPatch, *providers: str) -> None:
    """Replaces onnxruntime by one for CUDA 13 with these providers and a missing library."""
    ort = SimpleNamespace(
        cuda_version="13.0",
        get_available_providers=lambda: providers,
        preload_dlls=lambda: print("Failed to load libA.so: libcublas.so.13: cannot open"),
    )
    monkeypatch.setattr("fkd_infer.runtime.install.import_onnxruntime", lambda: ort)


def break_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ProviderError("cuda", ["cpu"], "see the log", "libcublas.so.13: cannot open")

    replace_runtime(monkeypatch, "CUDAExecutionProvider", "CPUExecutionProvider")
    install(monkeypatch, onnxruntime_gpu="1.31", nvidia_cudnn_cu13="9.1")
    monkeypatch.setattr("fkd_infer.runtime.session.LandmarkSession", fail)


def cuda() -> Finding:
    finding = check_provider(CUDA)
    assert finding is not None
    return finding


def test_missing_cuda_libraries_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    break_cuda(monkeypatch)
    nvidia_smi(monkeypatch, 0, "NVIDIA X, 580.1, 24564 MiB\n")
    assert cuda().fact == "ONNX Runtime was built with CUDA 13.0; nvidia-cudnn-cu13 9.1"
    assert "libcublas.so.13: cannot open | " in problem_and_repair(cuda())
    assert cuda().repair == "pip install -U 'onnxruntime-gpu[cuda,cudnn]'"


def test_without_a_gpu_the_cpu_runtime_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    break_cuda(monkeypatch)
    no_nvidia_smi(monkeypatch)
    repair = "pip uninstall -y onnxruntime-gpu && pip install onnxruntime"
    assert repair in problem_and_repair(cuda())


def test_reports_the_run_that_proved_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    break_cuda(monkeypatch)
    opened: list[tuple[object, ...]] = []

    def open_session(*arguments: object) -> SimpleNamespace:
        opened.append(arguments)
        return SimpleNamespace(started=SimpleNamespace(on="cuda:0"))

    monkeypatch.setattr("fkd_infer.runtime.session.LandmarkSession", open_session)
    assert "cuda:0 proved itself in" in cuda().fact
    assert opened == [("fkdnet", "cuda")]


def test_an_unused_gpu_is_no_problem_but_has_a_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_runtime(monkeypatch, "CPUExecutionProvider")
    nvidia_smi(monkeypatch, 0, "NVIDIA X, 580.1, 24564 MiB\n")
    assert cuda().problem is None
    repair = "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"
    assert cuda().repair == repair


def test_a_provider_that_is_not_installed_is_not_mentioned_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replace_runtime(monkeypatch, "CPUExecutionProvider")
    no_nvidia_smi(monkeypatch)
    assert check_provider(CUDA) is None
    others = other_providers()
    assert others is not None
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]')" in others.fact


def test_tensorrt_that_does_not_run_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    break_cuda(monkeypatch)
    no_nvidia_smi(monkeypatch)
    replace_runtime(monkeypatch, "TensorrtExecutionProvider", "CPUExecutionProvider")
    finding = check_provider(TENSORRT)
    assert finding is not None
    assert "it does not run: libcublas" in finding.fact
    assert (finding.problem, finding.repair) == (None, None)


def test_a_broken_runtime_is_one_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise InstallError("onnxruntime", "cannot be imported: most of its files are missing", "x")

    monkeypatch.setattr("fkd_infer.runtime.install.import_onnxruntime", fail)
    no_nvidia_smi(monkeypatch)
    assert check_provider(CUDA) is None
    assert other_providers() is None


@pytest.mark.parametrize(
    ("features", "support"),
    [
        (("avx2", "avx_vnni"), "sums are exact"),
        (("avx2",), "can saturate"),
        ((), "as far as the system says"),
    ],
)
def test_reports_the_int8_support_of_the_cpu(
    features: tuple[str, ...], support: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cpu_features", lambda: features)
    finding = machine.cpu()
    assert support in finding.fact
    assert all(feature in finding.fact for feature in features)


def test_reports_the_cpu_limit_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(machine, "cgroup_limit", lambda: 2.5)
    monkeypatch.setattr(machine, "available_threads", lambda: 2)
    assert "8 for this process, 2.5 by its container; fkd uses 2" in machine.threads().fact


def test_more_opencv_threads_than_cores_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_threads", lambda: 2)
    monkeypatch.setattr(cv2, "getNumThreads", lambda: 16)
    assert machine.opencv_threads().repair == "export OPENCV_FOR_THREADS_NUM=2"


def test_the_repair_of_opencv_threads_works() -> None:
    command = [sys.executable, "-c", "import cv2; print(cv2.getNumThreads())"]
    environment = {**os.environ, "OPENCV_FOR_THREADS_NUM": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3"


def test_a_model_with_wrong_points_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {part: (x, 1 - y) for part, (x, y) in proof.DRAWN_PARTS.items()}
    face = proof.drawn_face(128)
    monkeypatch.setattr(proof, "DRAWN_PARTS", parts)
    monkeypatch.setattr(proof, "drawn_face", lambda _: face)
    finding = networks.model()
    assert "it puts right_eye, left_eye, outer_lips elsewhere" in problem_and_repair(finding)


def test_a_low_score_for_a_drawn_face_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    black = proof.drawn_face(128) // 255
    monkeypatch.setattr(proof, "DRAWN_PARTS", {})
    monkeypatch.setattr(proof, "drawn_face", lambda _: black)
    assert "does not see a drawn face" in problem_and_repair(networks.model())


def test_an_unwritable_cache_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    finding = machine.cache()
    assert "cannot be written to" in problem_and_repair(finding)
    assert "export FKD_CACHE=" in problem_and_repair(finding)


def test_a_missing_cache_is_no_problem(tmp_path: Path) -> None:
    assert machine.cache() == Finding("cache", f"{tmp_path / 'cache'} (not there yet)")


def test_a_user_without_a_home_is_told_to_set_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(machine, "cache_folder", no_home)
    assert "home directory. | export FKD_CACHE=" in problem_and_repair(machine.cache())


@pytest.fixture
def tuned(fixed_model: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """A profile of the tiny network, in place of the shipped model."""
    from fkd_infer.runtime.settings import SessionSettings

    monkeypatch.setattr("fkd_infer.models.shipped.find_model", lambda _: fixed_model)
    profile = Profile(ProfileKey.of(fixed_model, "cpu"), "pipeline", SessionSettings(3), batch=7)
    write_profile(profile, fixed_model)
    return profile


def test_reports_a_profile(tuned: Profile) -> None:
    finding = machine.tuning()
    assert finding.problem is None
    assert finding.fact == f"{tuned.path}: for pipeline, 3 threads, batch 7"


def test_no_profile_is_no_problem() -> None:
    finding = machine.tuning()
    assert (finding.problem, finding.repair) == (None, "fkd-infer tune")


def test_an_unused_profile_is_a_problem(tuned: Profile, caplog: pytest.LogCaptureFixture) -> None:
    tuned.path.write_text("{")
    with caplog.at_level(logging.WARNING):
        assert "profile.json is not used" in problem_and_repair(machine.tuning())
    assert "fkd-infer tune --model " in problem_and_repair(machine.tuning())
    assert caplog.text == ""


def odd_one() -> Finding:
    raise ValueError("two\nlines")


def without_runtime() -> Finding:
    error = install_error([])
    assert error is not None
    raise error


def fine() -> Finding:
    return Finding("fine", "as it should be")


FINE, WITHOUT_RUNTIME = Check("fine", fine), Check("without runtime", without_runtime)


def test_a_failing_check_does_not_stop_the_others() -> None:
    odd, other = examine([Check("odd one", odd_one), FINE])
    assert odd.name == "odd one"
    assert "ValueError: two lines | pip install --force-reinstall" in problem_and_repair(odd)
    assert other == fine()


def test_a_missing_package_is_one_problem() -> None:
    first, again = examine([WITHOUT_RUNTIME, WITHOUT_RUNTIME])
    assert problem_and_repair(first) == ("ONNX Runtime is not installed | pip install onnxruntime")
    assert again == Finding("without runtime", "not checked: ONNX Runtime is not installed")


def test_exits_with_0_without_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CHECKS", (FINE,))
    done = CliRunner().invoke(main, catch_exceptions=False)
    assert (done.exit_code, done.output) == (0, "         fine  as it should be\nall is well\n")


def test_exits_with_1_and_prints_the_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CHECKS", (FINE, WITHOUT_RUNTIME))
    done = CliRunner().invoke(main, catch_exceptions=False)
    assert done.exit_code == 1
    assert "problem  without runtime  could not be checked\n" in done.output
    assert "fix it with: pip install onnxruntime" in done.output
    assert done.output.endswith("1 problem\n")


def test_json_has_the_same_findings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checks, "CHECKS", (FINE, WITHOUT_RUNTIME))
    path = tmp_path / "finding.json"
    done = CliRunner().invoke(main, ["--json", str(path)], catch_exceptions=False)
    assert done.output.endswith("1 problem\n")
    printed = CliRunner().invoke(main, ["--json", "-"], catch_exceptions=False)
    assert printed.exit_code == done.exit_code == 1
    report = json.loads(path.read_text())
    assert report == json.loads(printed.output)
    assert not report["well"]
    assert report["findings"][0] == {
        "name": "fine",
        "fact": "as it should be",
        "problem": None,
        "repair": None,
    }


def test_an_unwritable_json_file_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checks, "CHECKS", (FINE,))
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(main, ["--json", str(tmp_path / "file" / "x.json")])
    assert done.exit_code == 1
    assert "cannot be written" in done.output


def test_runs_without_any_of_the_packages() -> None:
    """Imports of numpy, OpenCV, PyAV and ONNX Runtime fail."""
    code = (
        "import sys\n"
        "for name in ('numpy', 'cv2', 'av', 'onnxruntime'): sys.modules[name] = None\n"
        "from fkd_infer.cli.doctor import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for name in ("numpy", "opencv", "pyav", "onnx runtime"):
        assert f"problem  {name}" in done.stdout
    assert done.stdout.endswith("4 problems\n")


def test_a_detector_that_finds_faces_in_a_gray_picture_is_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finding = networks.detector()
    assert finding.problem is None
    assert "searched 640 × 360 pixels in" in finding.fact

    def everywhere(detector: FkdDetector, image: np.ndarray) -> Detections:
        return Detections(np.array([[0, 0, 9, 9]], np.float32), np.ones(1, np.float32))

    monkeypatch.setattr(FkdDetector, "__call__", everywhere)
    assert "finds 1 faces on a gray picture" in problem_and_repair(networks.detector())
