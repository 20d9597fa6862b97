"""Runs one target under libFuzzer: `python -m fuzz.harness NAME SCRATCH CRASHES [FLAGS]`.

FLAGS are libFuzzer's. It needs a process of its own, which libFuzzer ends. The project's modules
are instrumented while they are imported, so none of them may be imported earlier.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from random import Random

import atheris

PACKAGES = {"fkd_infer", "fkd_train"}

with atheris.instrument_imports(include=sorted(PACKAGES), enable_loader_override=False):
    from fkd_infer.errors import FkdError
    from fkd_train.errors import DatasetError
    from fuzz.targets import TARGETS, Target


class Harness:
    """Passes inputs to a target, and saves the first one that crashes at each place of the code.

    libFuzzer itself saves an input that ends the process: by a timeout, a lack of memory, or a
    crash of native code.
    """

    def __init__(self, target: Target, crashes: Path, folder: Path) -> None:
        self._target = target
        self._crashes = crashes
        self._folder = folder
        self._saved: set[str] = set()

    def feed(self, data: bytes) -> None:
        """Passes one input to the target."""
        try:
            self._target.feed(data, self._folder)
        except FkdError as error:
            # A DatasetError has a line for each problem, with the names of files as they are.
            if not str(error).isprintable() and not isinstance(error, DatasetError):
                self._save(data, AssertionError("an error that is not one printable line"), error)
        except Exception as error:  # noqa: BLE001 (crashes are what the fuzzer looks for)
            self._save(data, error, error)

    def mutate(self, data: bytes, max_size: int, seed: int) -> bytes:
        """Makes a new input from another one."""
        max_size = min(max_size, self._target.max_size)
        return self._target.mutate(data, max_size, Random(seed), atheris.Mutate)

    def _save(self, data: bytes, problem: Exception, error: Exception) -> None:
        name = f"{self._target.name}-{type(problem).__name__}-{_innermost_line(error)}"
        if name in self._saved:
            return
        self._saved.add(name)
        (self._crashes / name).write_bytes(data)
        text = f"{problem}\n" + "".join(traceback.format_exception(error))
        (self._crashes / f"{name}.txt").write_text(text, errors="backslashreplace")


def _innermost_line(error: BaseException) -> str:
    """The module and line of the project in which an error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        path = Path(frame.filename)
        if PACKAGES & set(path.parts):
            return f"{path.stem}-{frame.lineno}"
    return "unknown"


def main() -> None:
    """Runs until libFuzzer's limits are reached."""
    name, scratch, crashes, *flags = sys.argv[1:]
    harness = Harness(TARGETS[name], Path(crashes), Path(scratch))
    atheris.Setup([sys.argv[0], *flags], harness.feed, custom_mutator=harness.mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
