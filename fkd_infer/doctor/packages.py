"""Checks of `fkd-infer doctor`: the packages are installed and can be imported."""

from __future__ import annotations

import platform
import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from fkd_infer.doctor.finding import Finding, error_text, installed_versions, listed
from fkd_infer.errors import InstallError
from fkd_infer.runtime.install import import_onnxruntime, install_error
from fkd_infer.runtime.providers.registry import runtime_packages

_OPENCV_WHEELS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
_CASCADE = "haarcascade_frontalface_default.xml"


def fkd() -> Finding:
    """Names fkd's version and folder."""
    version = installed_versions(["fkd"]).get("fkd", "not installed")
    return Finding("fkd", f"{version}, {Path(__file__).parents[1]}")


def python() -> Finding:
    """Names the versions of Python and of the system."""
    return Finding("python", f"{platform.python_version()}, {platform.platform()}")


def numpy() -> Finding:
    """NumPy can be imported."""
    return _check_package("numpy", "numpy", "numpy")


def pyav() -> Finding:
    """PyAV, which reads and writes videos, can be imported."""
    return _check_package("pyav", "av", "av")


def opencv() -> Finding:
    """Exactly one OpenCV wheel is installed, and can be imported."""
    wheels = installed_versions(_OPENCV_WHEELS)
    cv2, import_problem = _try_import("cv2")
    problem = None
    if cv2 is None:
        problem = import_problem
    elif len(wheels) > 1:
        problem = f"{' and '.join(wheels)} are all installed and overwrite each other"
    fact = listed(wheels) or ("not installed" if cv2 is None else f"{cv2.__version__}, no wheel")
    if cv2 is not None and not _has_cascades(cv2):
        fact += "; no face cascades: detector haar cannot be used"
    repair = f"pip install --force-reinstall {_requirement('opencv-python-headless')}"
    if wheels:
        repair = f"pip uninstall -y {' '.join(wheels)} && {repair}"
    return Finding("opencv", fact, problem, repair if problem else None)


def onnx_runtime() -> Finding:
    """Exactly one ONNX Runtime is installed, and can be imported."""
    installed = installed_versions(runtime_packages())
    fact = listed(installed) or "not installed"
    if error := install_error(list(installed)):
        return Finding("onnx runtime", fact, error.without_fix, error.fix)
    try:
        ort = import_onnxruntime()
    except InstallError as error:
        return Finding("onnx runtime", fact, error.without_fix, error.fix)
    return Finding("onnx runtime", f"{fact}, with {', '.join(ort.get_available_providers())}")


def _check_package(name: str, package: str, module: str) -> Finding:
    imported, problem = _try_import(module)
    if imported is None:
        fact = listed(installed_versions([package])) or "not installed"
        repair = f"pip install --force-reinstall {_requirement(package)}"
        return Finding(name, fact, problem, repair)
    return Finding(name, str(imported.__version__))


def _try_import(module: str) -> tuple[Any, str]:
    """Returns a module, or None and the problem."""
    try:
        return import_module(module), ""
    except Exception as error:  # noqa: BLE001 (a broken package raises anything when imported)
        return None, f"it cannot be imported: {error_text(error)}"


def _requirement(package: str) -> str:
    """Returns a package with the versions that fkd requires, quoted for a shell."""
    try:
        requirements = requires("fkd") or []
    except PackageNotFoundError:  # run from a folder, without an installation
        requirements = []
    specifiers = (requirement.partition(";")[0].strip() for requirement in requirements)
    name = re.compile(rf"{package}(?![-\w])")
    return f"'{next(filter(name.match, specifiers), package)}'"


def _has_cascades(cv2: Any) -> bool:
    file = Path(cv2.__file__).parent / "data" / _CASCADE
    return hasattr(cv2, "CascadeClassifier") and file.is_file()
