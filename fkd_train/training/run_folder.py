"""What a run folder says of its run, and whether a run may go on in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.config.recipe import Recipe, recipe_from_dict, recipe_to_dict
from fkd_train.data import fingerprint
from fkd_train.data.fingerprint import Fingerprints
from fkd_train.errors import RunError
from fkd_train.training.run_lock import LOCK_FILE, run_lock

RECIPE_FILE, DATA_FILE, CHANGES_FILE = "recipe.json", "data.csv", "changes.jsonl"
_LATER_FILES = ("last.pt", "best.pt", "log.csv")
_NAMED = 8
"""Fields of a recipe that a message names."""


@dataclass(frozen=True)
class RunFolder:
    """A run folder: its recipe, the marks of its data, and what was changed by force."""

    path: Path

    @property
    def is_started(self) -> bool:
        """Whether it holds a run; one that was killed earlier left nothing but the lock's file."""
        return (self.path / RECIPE_FILE).exists()

    @contextmanager
    def claimed(self, resume: bool) -> Iterator[None]:
        """Holds the folder for a run; one that failed before it was started leaves no trace.

        Raises RunError where another run has it, where it holds a run already (without `resume`)
        or none (with it), and where it lacks the recipe of what it holds.
        """
        if resume and not self.is_started and not (self.path / LOCK_FILE).exists():
            raise RunError(self.path, "holds no training run to resume")
        is_made = not self.path.exists()
        with run_lock(self.path):
            if self.is_started and not resume:
                way_out = "go on with it by --resume, or choose another --out"
                raise RunError(self.path, "holds a training run already", way_out)
            left = [name for name in _LATER_FILES if (self.path / name).exists()]
            if left and not self.is_started:
                way_out = "put that back, or choose another --out"
                raise RunError(self.path, f"holds {left[0]} but no {RECIPE_FILE}", way_out)
            try:
                yield
            finally:
                if not self.is_started:
                    self._clear(is_made)

    def _clear(self, is_made: bool) -> None:
        """Removes the lock's file, and the folder where it was made for this run and is empty."""
        with suppress(OSError):  # what is not empty, or open on Windows, stays
            (self.path / LOCK_FILE).unlink()
            if is_made:
                self.path.rmdir()

    def changes(self, recipe: Recipe, data: Fingerprints) -> list[str]:
        """What of recipe and data is not as the run was started with; raises RunError where that
        cannot be read."""
        found = self._recipe_changes(recipe)
        if self.knows_data:
            found += fingerprint.differences(
                fingerprint.load_fingerprints(self.path / DATA_FILE), data
            )
        return found

    @property
    def knows_data(self) -> bool:
        """Whether it has marks of its data; earlier versions made none."""
        return (self.path / DATA_FILE).exists()

    def _recipe_changes(self, recipe: Recipe) -> list[str]:
        file = self.path / RECIPE_FILE
        try:
            before = recipe_from_dict(json.loads(file.read_text("utf-8")))
        except OSError as error:
            raise RunError(file, f"cannot be read: {error.strerror}") from error
        except (ValueError, AttributeError):  # neither JSON nor a recipe
            return [f"{RECIPE_FILE}, which holds no recipe"]
        old, new = _flat(recipe_to_dict(before)), _flat(recipe_to_dict(recipe))
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        found = [f"{key} {_short(old.get(key))} -> {_short(new.get(key))}" for key in keys[:_NAMED]]
        if len(keys) > _NAMED:
            found.append(f"{len(keys) - _NAMED} more fields of the recipe")
        return found

    def start(self, recipe: Recipe, data: Fingerprints) -> None:
        """Writes what the run is started with, the recipe last: with it, a folder holds a run."""
        fingerprint.save_fingerprints(self.path / DATA_FILE, data)
        file = self.path / RECIPE_FILE
        with atomic_write(file) as partial, output_errors(file):
            partial.write_text(json.dumps(recipe_to_dict(recipe), indent=2) + "\n", "utf-8")

    def change(
        self, changes: Sequence[str], epochs: int, recipe: Recipe, data: Fingerprints
    ) -> None:
        """Records what is changed after so many epochs, and takes it for what the run has now."""
        file = self.path / CHANGES_FILE
        line = json.dumps({"epochs": epochs, "changes": list(changes)}, ensure_ascii=False)
        with atomic_write(file) as partial, output_errors(file):
            before = file.read_text("utf-8") if file.exists() else ""
            partial.write_text(f"{before}{line}\n", "utf-8")
        self.start(recipe, data)


def _flat(table: dict[str, object], prefix: str = "") -> dict[str, object]:
    """Values of nested tables by their dotted names."""
    found: dict[str, object] = {}
    for key, value in table.items():
        found |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return found


def _short(value: object) -> str:
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
