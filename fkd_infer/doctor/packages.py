"""Checks of `fkd-infer doctor`: what is installed, and whether it can be imported."""

from __future__ import annotations

import platform
import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from fkd_infer.doctor.finding import Finding, error_text, installed_versions, listed
from fkd_infer.runtime.install import install_error
from fkd_infer.runtime.providers.registry import runtime_packages

_OPENCV_WHEELS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
_CASCADE = "haarcascade_frontalface_default.xml"


def _wanted(package: str) -> str:
    """A package with the versions that fkd asks for, quoted for a shell."""
    try:
        lines = requires("fkd") or []
    except PackageNotFoundError:  # run from a folder, without an installation
        lines = []
    found = (line.partition(";")[0].strip() for line in lines)
    name = re.compile(rf"{package}(?![-\w])")
    return f"'{next((line for line in found if name.match(line)), package)}'"


def _import(module: str) -> tuple[Any, str]:
    """A module, or None and why."""
    try:
        return import_module(module), ""
    except Exception as error:  # noqa: BLE001 (a broken package raises anything when imported)
        return None, f"it cannot be imported: {error_text(error)}"


def fkd() -> Finding:
    """fkd's own version and place."""
    version = installed_versions(["fkd"]).get("fkd", "not installed")
    return Finding("fkd", f"{version}, {Path(__file__).parents[1]}")


def python() -> Finding:
    """Python and the system."""
    return Finding("python", f"{platform.python_version()}, {platform.platform()}")


def _package(name: str, package: str, module: str) -> Finding:
    found, why = _import(module)
    if found is None:
        fact = listed(installed_versions([package])) or "not installed"
        return Finding(name, fact, why, f"pip install --force-reinstall {_wanted(package)}")
    return Finding(name, str(found.__version__))


def numpy() -> Finding:
    """NumPy can be imported."""
    return _package("numpy", "numpy", "numpy")


def pyav() -> Finding:
    """PyAV, which reads and writes videos, can be imported."""
    return _package("pyav", "av", "av")


def _has_cascades(cv2: Any) -> bool:
    file = Path(cv2.__file__).parent / "data" / _CASCADE
    return hasattr(cv2, "CascadeClassifier") and file.is_file()


def opencv() -> Finding:
    """OpenCV: one wheel, which can be imported here."""
    wheels = installed_versions(_OPENCV_WHEELS)
    cv2, why = _import("cv2")
    problem = None
    if cv2 is None:
        problem = why
    elif len(wheels) > 1:
        problem = f"{' and '.join(wheels)} are all installed and overwrite each other"
    fact = listed(wheels) or ("not installed" if cv2 is None else f"{cv2.__version__}, no wheel")
    if cv2 is not None and not _has_cascades(cv2):
        fact += "; no face cascades: detector haar cannot be used"
    repair = f"pip install --force-reinstall {_wanted('opencv-python-headless')}"
    if wheels:
        repair = f"pip uninstall -y {' '.join(wheels)} && {repair}"
    return Finding("opencv", fact, problem, repair if problem else None)


def onnx_runtime() -> Finding:
    """One ONNX Runtime, which can be imported."""
    installed = installed_versions(runtime_packages())
    fact = listed(installed) or "not installed"
    if error := install_error(list(installed)):
        return Finding("onnx runtime", fact, error.without_fix, error.fix)
    ort, why = _import("onnxruntime")
    if ort is not None and not hasattr(ort, "InferenceSession"):
        why = "its files are not whole, as after an uninstalled second package"
    if why:
        repair = f"pip install --force-reinstall --no-deps {next(iter(installed))}"
        return Finding("onnx runtime", fact, why, repair)
    return Finding("onnx runtime", f"{fact}, with {', '.join(ort.get_available_providers())}")
