"""Serves a model repository with the Triton server of the package nvidia-pytriton, on the CPU.

python serve.py REPOSITORY [options of tritonserver]
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

BACKEND = Path(__file__).parent / "backend" / "onnxruntime"
PACKAGES = ("pytriton", "onnxruntime")


def main() -> int:
    """Runs the server until it ends or is told to; returns its exit code."""
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python serve.py REPOSITORY [options of tritonserver]")
    if any(find_spec(name) is None for name in PACKAGES):
        sys.exit('pip install "nvidia-pytriton==0.7.0" onnxruntime, in an environment of its own')
    package = Path(find_spec("pytriton").origin).parent
    with TemporaryDirectory() as folder:
        command = [package / "tritonserver" / "bin" / "tritonserver"]
        command += [f"--model-repository={Path(sys.argv[1]).resolve()}", *sys.argv[2:]]
        command += [f"--backend-directory={link_backends(package, Path(folder))}"]
        server = subprocess.Popen(command, env=environment(package))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: server.send_signal(number))
        return server.wait()


def link_backends(package: Path, folder: Path) -> Path:
    """Fills a folder with the package's Python backend, and ours on top of it."""
    server = package / "tritonserver"
    python = folder / "python"
    shutil.copytree(server / "backends" / "python", python)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy(server / "python_backend_stubs" / version / "triton_python_backend_stub", python)
    (folder / BACKEND.name).symlink_to(BACKEND, target_is_directory=True)
    return folder


def environment(package: Path) -> dict[str, str]:
    """The environment in which models find this Python, its packages and the server's libraries."""
    libraries = [sysconfig.get_config_var("LIBDIR"), str(package.parent / "nvidia_pytriton.libs")]
    programs = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    return {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        "PATH": os.pathsep.join(programs),
    }


if __name__ == "__main__":
    sys.exit(main())
