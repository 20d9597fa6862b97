"""Finds the file of a part of a data set, in formats that have one file for each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fkd_train.errors import DatasetError

_TEST_WORD = re.compile(r"(?<![a-z])(test|val|valid|validation)(?![a-z])", re.IGNORECASE)
_TRAINING_WORD = re.compile(r"(?<![a-z])train(ing)?(?![a-z])", re.IGNORECASE)


def find_part(given: Path, part: str, suffix: str) -> Path | None:
    """The file of a part, "training" or "test"; None if there is none.

    In a folder it is named after the part. A file that is given is the test part if its name says
    test or val, as in person_keypoints_val2017.json, and otherwise the training part, whose test
    part is the file beside it with test or val where its own name says train.
    """
    return next((path for path in _candidates(given, part, suffix) if path.is_file()), None)


def get_part(given: Path, part: str, suffix: str) -> Path:
    """The file of a part; raises DatasetError that says which names are looked for."""
    found = find_part(given, part, suffix)
    if found is not None:
        return found
    if given.suffix == suffix and not given.is_file():
        raise DatasetError(given, ["no such file"])
    fix = f"name a folder with {part}{suffix}"
    if part == "test":
        fix += ", or a file whose name says test or val, or one with such a file beside it"
    else:
        fix += ", or a file whose name does not say test or val"
    raise DatasetError(given, [f"it has no {suffix} file for the part {part}"], fix)


def _candidates(given: Path, part: str, suffix: str) -> Iterator[Path]:
    if given.suffix != suffix:
        yield given / f"{part}{suffix}"
    elif _TEST_WORD.search(given.stem):
        if part == "test":
            yield given
    elif part == "training":
        yield given
    elif _TRAINING_WORD.search(given.stem):
        for word in ("test", "val"):
            yield given.with_name(_TRAINING_WORD.sub(word, given.stem) + suffix)
