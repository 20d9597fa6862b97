"""One target under libFuzzer: `python -m fuzz.harness NAME SCRATCH CRASHES [FLAGS]`.

FLAGS are libFuzzer's. A process of its own, since libFuzzer ends it. Modules of the project are
instrumented as they are imported, so nothing of it may be imported before.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from random import Random

import atheris

PACKAGES = ("fkd_infer", "fkd_train")

with atheris.instrument_imports(include=[*PACKAGES], enable_loader_override=False):
    from fkd_infer.errors import FkdError
    from fkd_train.errors import DatasetError
    from fuzz.targets import TARGETS, Target


class Harness:
    """Feeds a target, and keeps the first input that crashes it at each place.

    What ends the process itself (a time-out, a lack of memory, a crash of native code) is kept by
    libFuzzer.
    """

    def __init__(self, target: Target, crashes: Path, folder: Path) -> None:
        self._target = target
        self._crashes = crashes
        self._folder = folder
        self._seen: set[str] = set()

    def feed(self, data: bytes) -> None:
        """One input."""
        try:
            self._target.feed(data, self._folder)
        except FkdError as error:
            # A data set's problems are told all at once, with its files' names as they are.
            if not str(error).isprintable() and not isinstance(error, DatasetError):
                self._keep(data, AssertionError("an error that is no plain line"), error)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            self._keep(data, error, error)

    def _keep(self, data: bytes, problem: Exception, error: Exception) -> None:
        name = f"{self._target.name}-{type(problem).__name__}-{_place(error)}"
        if name in self._seen:
            return
        self._seen.add(name)
        (self._crashes / name).write_bytes(data)
        text = f"{problem}\n" + "".join(traceback.format_exception(error))
        (self._crashes / f"{name}.txt").write_text(text, errors="backslashreplace")

    def mutate(self, data: bytes, longest: int, seed: int) -> bytes:
        """An input made of another one."""
        longest = min(longest, self._target.longest)
        return self._target.mutate(data, longest, Random(seed), atheris.Mutate)


def _place(error: BaseException) -> str:
    """Where an error comes from: the innermost line of the project."""
    frames = [(Path(frame.filename), frame.lineno) for frame in _frames(error)]
    ours = [f"{path.stem}-{line}" for path, line in frames if path.parent.name in PACKAGES]
    return ours[-1] if ours else "unknown"


def _frames(error: BaseException) -> traceback.StackSummary:
    return traceback.extract_tb(error.__traceback__)


def main() -> None:
    """Runs until libFuzzer's arguments say that it is enough."""
    name, scratch, crashes, *arguments = sys.argv[1:]
    harness = Harness(TARGETS[name], Path(crashes), Path(scratch))
    atheris.Setup([sys.argv[0], *arguments], harness.feed, custom_mutator=harness.mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
