from __future__ import annotations

from pathlib import Path

import pytest

from fkd_train.data.formats.part_files import find_part

TRAINING = "person_keypoints_train2017.json"


@pytest.mark.parametrize(
    ("given", "part", "found"),
    [
        (".", "training", "training.json"),
        (".", "test", "test.json"),
        (TRAINING, "training", TRAINING),
        (TRAINING, "test", "person_keypoints_val2017.json"),
        ("person_keypoints_val2017.json", "test", "person_keypoints_val2017.json"),
        ("person_keypoints_val2017.json", "training", None),
        ("carnival.json", "training", "carnival.json"),
        ("carnival.json", "test", None),
        ("none.json", "training", None),
        ("none", "training", None),
    ],
)
def test_the_file_of_a_part_is_found_by_its_name(
    given: str, part: str, found: str | None, tmp_path: Path
) -> None:
    for name in ("training.json", "test.json", TRAINING, "carnival.json"):
        (tmp_path / name).touch()
    (tmp_path / "person_keypoints_val2017.json").touch()
    path = find_part(tmp_path / given, part, ".json")
    assert path == (None if found is None else tmp_path / found)
