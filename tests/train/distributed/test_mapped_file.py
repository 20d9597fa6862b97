"""Values whose arrays are maps of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_dataset import write_part

from fkd_infer.errors import OutputError
from fkd_train.data.dataset import read_faces
from fkd_train.data.faces import Faces
from fkd_train.distributed.mapped_file import map_value, write_value


def test_faces_are_the_same_and_outlive_the_file(tmp_path: Path) -> None:
    write_part(tmp_path / "data", "training", 3, 2, seed=0)
    faces, file = read_faces(tmp_path / "data", "training"), tmp_path / "shared"
    write_value(file, faces)
    assert file.stat().st_size > sum(image.nbytes for image in faces.images)
    mapped = map_value(file)
    file.unlink()
    assert isinstance(mapped, Faces)
    assert (mapped.names, mapped.paths) == (faces.names, faces.paths)
    np.testing.assert_array_equal(mapped.points, faces.points)
    assert mapped.points.flags.aligned
    for image, expected in zip(mapped.images, faces.images, strict=True):
        np.testing.assert_array_equal(image, expected)
        assert not image.flags.owndata


def test_a_change_of_an_array_is_not_seen_by_others(tmp_path: Path) -> None:
    write_value(tmp_path / "shared", np.arange(4))
    first, second = (np.asarray(map_value(tmp_path / "shared")) for _ in range(2))
    first[0] = 9
    assert second.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("value", [np.zeros(0), np.zeros((3, 4))[:, ::2], [], None])
def test_other_values(value: object, tmp_path: Path) -> None:
    write_value(tmp_path / "shared", value)
    np.testing.assert_array_equal(np.asarray(map_value(tmp_path / "shared")), np.asarray(value))


def test_reports_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="none/shared"):
        write_value(tmp_path / "none/shared", 1)
