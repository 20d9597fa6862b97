"""The run folder: the recipe and the data of its run, and whether a run may start or resume."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.config.recipe import Recipe, recipe_from_dict, recipe_to_dict
from fkd_train.data.fingerprint import (
    Fingerprints,
    differences,
    load_fingerprints,
    save_fingerprints,
)
from fkd_train.errors import RunError
from fkd_train.training.run_lock import LOCK_FILE, run_lock

RECIPE_FILE, DATA_FILE, CHANGES_FILE = "recipe.json", "data.csv", "changes.jsonl"
_LATER_FILES = ("last.pt", "best.pt", "log.csv")
_MAX_REPORTED = 8
"""Changed fields of a recipe that a message names."""


@dataclass(frozen=True)
class RunFolder:
    """A run folder: its recipe, the fingerprints of its data, and the changes made by --force."""

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
            raise RunError(self.path, "holds no training run to resume")
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

    def changes(self, recipe: Recipe, data: Fingerprints) -> list[str]:
        """Describes how recipe and data differ from the recorded ones; raises RunError if those
        cannot be read."""
        changes = self._recipe_changes(recipe)
        if self.records_data:
            changes += differences(load_fingerprints(self.path / DATA_FILE), data)
        return changes

    def _recipe_changes(self, recipe: Recipe) -> list[str]:
        file = self.path / RECIPE_FILE
        try:
            before = recipe_from_dict(json.loads(file.read_text("utf-8")))
        except OSError as error:
            raise RunError(file, f"cannot be read: {error.strerror}") from error
        except (ValueError, AttributeError):  # not JSON, or not a recipe
            return [f"{RECIPE_FILE}, which holds no recipe"]
        old, new = _flat(recipe_to_dict(before)), _flat(recipe_to_dict(recipe))
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        reported = keys[:_MAX_REPORTED]
        changes = [f"{key} {_short(old.get(key))} -> {_short(new.get(key))}" for key in reported]
        if len(keys) > len(reported):
            changes.append(f"{len(keys) - len(reported)} more fields of the recipe")
        return changes

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


def _flat(table: dict[str, object], prefix: str = "") -> dict[str, object]:
    """Values of nested tables by their dotted keys."""
    values: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            values |= _flat(value, f"{prefix}{key}.")
        else:
            values[prefix + key] = value
    return values


def _short(value: object) -> str:
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
