"""What a runtime has to do: open an ONNX file, and run it on one input after the other.

Each runs in a process of its own, so that a crash ends no export, and threads of one do not slow
another down.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from fkd_infer.errors import one_line
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_train.choices import RuntimeName

THREADS = 1
"""Threads of each runtime: the only number that all of them can be limited to."""

ModelInput = Pixels | Floats
"""Bytes, or the float planes of a file without the border."""
Outputs = Mapping[str, Floats]
"""Outputs by name."""
Run = Callable[[ModelInput], Outputs]
"""Maps the input `image` to the outputs of an opened file."""


class Runtime(ABC):
    """A program that runs ONNX files."""

    name: ClassVar[RuntimeName]

    @abstractmethod
    def version(self) -> str:
        """Returns the installed version; raises InstallError, with a command that installs it."""

    @abstractmethod
    def command(self, model: Path, folder: Path) -> list[str]:
        """The command that opens a model and writes its results for the inputs in a folder.

        `exchange.py` has the files. Afterwards it serves timed calls with the first input, as
        `fkd_infer.tuning.interleaved.serve` does.
        """


class PythonRuntime(Runtime):
    """A runtime with an interface for Python."""

    @abstractmethod
    def open(self, model: Path) -> Run:
        """Opens a model; what it returns raises any exception of the runtime's."""

    def reason(self, error: Exception) -> str:
        """One line that says why a model was not opened or run."""
        return one_line(error)

    def command(self, model: Path, folder: Path) -> list[str]:
        """The command of `worker.py`."""
        worker = "fkd_train.runtimes.worker"
        return [sys.executable, "-P", "-m", worker, self.name, str(model), str(folder)]
