"""The run folder: recipe, options and data of its run, and whether a run may start or resume."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.files.reading import read_regular
from fkd_infer.system.files.strict_dataclass import MismatchError, parse_dataclass, plain_problem
from fkd_train.config.recipe import Recipe, recipe_from_dict, recipe_to_dict, recipe_values
from fkd_train.data.dataset import DataFolders, absolute_folder, folder_of, folders_of
from fkd_train.data.fingerprint import (
    Fingerprints,
    differences,
    load_fingerprints,
    save_fingerprints,
)
from fkd_train.errors import RunError
from fkd_train.training.run_lock import LOCK_FILE, run_lock

RECIPE_FILE, OPTIONS_FILE = "recipe.json", "options.json"
DATA_FILE, CHANGES_FILE = "data.csv", "changes.jsonl"
_LATER_FILES = ("last.pt", "best.pt", "log.csv")
_MAX_OPTIONS = 1 << 20
"""Bytes of a file of options."""
SAVE_EVERY = 600.0
"""Seconds after which an unfinished epoch is saved."""
_NO_RUN = "holds no training run to resume"
_MAX_REPORTED = 8
"""Changed fields of a recipe that a message names."""


@dataclass(frozen=True)
class RunOptions:
    """Options of a run that change no result: its data folders, as `--data` states them but
    absolute, the processes that load batches, seconds between saves within an epoch, and whether
    it logs to TensorBoard."""

    data: tuple[str, ...]
    workers: int = 1
    save_every: float = SAVE_EVERY
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if not self.data or self.workers < 0 or self.save_every < 0:
            raise ValueError("data names a folder, and workers and save_every are not below 0")

    @classmethod
    def of(cls, data: DataFolders, *options: Any) -> RunOptions:
        """The options of a command line that was given in the current folder, in their order."""
        return cls(tuple(str(absolute_folder(folder)) for folder in folders_of(data)), *options)

    @classmethod
    def read(cls, run: Path) -> RunOptions | None:
        """The options that a run folder records; None if it was started by a version that recorded
        none. Raises RunError for a file that holds anything else."""
        file = run / OPTIONS_FILE
        try:
            plain = json.loads(read_regular(file, _MAX_OPTIONS))
            if problem := plain_problem(plain, "options"):
                raise MismatchError(problem)
            return parse_dataclass(cls, plain, "options")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunError(file, f"cannot be read: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, or other fields
            problem = str(error) if isinstance(error, MismatchError) else "not JSON"
            raise RunError(file, problem, "remove it, and add --data DIR") from error

    def write(self, run: Path) -> None:
        """Records the options in a run folder, atomically."""
        file = run / OPTIONS_FILE
        with atomic_write(file) as partial, output_errors(file):
            partial.write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")

    def data_folders(self) -> list[Path]:
        """The data folders or files; raises RunError for one that is no longer there."""
        folders = [Path(text) for text in self.data]
        for folder in map(folder_of, folders):
            if not folder.exists():
                raise RunError(folder, "the run's data is no longer there", "add --data DIR")
        return folders


@dataclass(frozen=True)
class RunFolder:
    """A run folder: its recipe, its options, the fingerprints of its data, and the changes made by
    --force."""

    path: Path

    @property
    def is_started(self) -> bool:
        """Whether it holds a run; a run that was killed earlier left only the lock file."""
        return (self.path / RECIPE_FILE).exists()

    @property
    def records_data(self) -> bool:
        """Whether it has fingerprints of its data; early versions did not write any."""
        return (self.path / DATA_FILE).exists()

    @contextmanager
    def claimed(self, resume: bool) -> Iterator[None]:
        """Locks the folder for a run; a run that fails before it started leaves no files.

        Raises RunError if another run holds the lock, if the folder already holds a run (without
        `resume`) or none (with it), or if it holds checkpoints without a recipe.
        """
        if resume and not self.is_started and not (self.path / LOCK_FILE).exists():
            raise RunError(self.path, _NO_RUN)
        is_new = not self.path.exists()
        with run_lock(self.path):
            if self.is_started and not resume:
                fix = "resume it with --resume, or choose another --out"
                raise RunError(self.path, "already holds a training run", fix)
            left = [name for name in _LATER_FILES if (self.path / name).exists()]
            if left and not self.is_started:
                fix = "restore that file, or choose another --out"
                raise RunError(self.path, f"holds {left[0]} but no {RECIPE_FILE}", fix)
            try:
                yield
            finally:
                if not self.is_started:
                    self._remove_lock(is_new)

    def _remove_lock(self, is_new: bool) -> None:
        """Removes the lock file, and the folder if it is new and empty."""
        with suppress(OSError):  # the folder is not empty, or a file is open on Windows
            (self.path / LOCK_FILE).unlink()
            if is_new:
                self.path.rmdir()

    def recipe(self) -> Recipe:
        """The recipe of its run; raises RunError if there is none."""
        if not self.is_started:
            if not (self.path / LOCK_FILE).exists():
                raise RunError(self.path, _NO_RUN)
            problem = f"holds no {RECIPE_FILE}: its run was stopped before it began"
            raise RunError(self.path, problem, "add --recipe and --data")
        recipe = self._recorded_recipe()
        if recipe is None:
            raise RunError(self.path / RECIPE_FILE, "holds no recipe", "add --recipe and --data")
        return recipe

    def changes(self, recipe: Recipe, data: Fingerprints) -> list[str]:
        """Describes how recipe and data differ from the recorded ones; raises RunError if those
        cannot be read."""
        changes = self._recipe_changes(recipe)
        if self.records_data:
            changes += differences(load_fingerprints(self.path / DATA_FILE), data)
        return changes

    def _recipe_changes(self, recipe: Recipe) -> list[str]:
        before = self._recorded_recipe()
        if before is None:
            return [f"{RECIPE_FILE}, which holds no recipe"]
        old, new = recipe_values(before), recipe_values(recipe)
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        reported = keys[:_MAX_REPORTED]
        changes = [f"{key} {_short(old.get(key))} -> {_short(new.get(key))}" for key in reported]
        if len(keys) > len(reported):
            changes.append(f"{len(keys) - len(reported)} more fields of the recipe")
        return changes

    def _recorded_recipe(self) -> Recipe | None:
        """The recipe of its run; None for a file that holds none."""
        file = self.path / RECIPE_FILE
        try:
            return recipe_from_dict(json.loads(file.read_text("utf-8")))
        except OSError as error:
            raise RunError(file, f"cannot be read: {error.strerror}") from error
        except (ValueError, AttributeError):  # not JSON, or not a recipe
            return None

    def record_options(self, options: RunOptions) -> None:
        """Records options, if they differ from the recorded ones."""
        if not (self.path / OPTIONS_FILE).exists() or RunOptions.read(self.path) != options:
            options.write(self.path)

    def start(self, recipe: Recipe, data: Fingerprints) -> None:
        """Records data and recipe; the recipe is written last and marks the run as started."""
        save_fingerprints(self.path / DATA_FILE, data)
        file = self.path / RECIPE_FILE
        with atomic_write(file) as partial, output_errors(file):
            partial.write_text(json.dumps(recipe_to_dict(recipe), indent=2) + "\n", "utf-8")

    def change(
        self, changes: Sequence[str], epochs: int, recipe: Recipe, data: Fingerprints
    ) -> None:
        """Logs changes made after this many epochs, and records the new recipe and data."""
        file = self.path / CHANGES_FILE
        line = json.dumps({"epochs": epochs, "changes": list(changes)}, ensure_ascii=False)
        with atomic_write(file) as partial, output_errors(file):
            before = file.read_text("utf-8") if file.exists() else ""
            partial.write_text(f"{before}{line}\n", "utf-8")
        self.start(recipe, data)


def _short(value: object) -> str:
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
