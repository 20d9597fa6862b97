"""The table of faces without points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fkd_train.data.other_faces import read_other_faces
from fkd_train.errors import DatasetError, RecipeError

SHIPPED = ["youtube-faces-68.others.csv", "300w.others.csv"]


def test_reads_boxes_by_part_and_image(tmp_path: Path) -> None:
    file = tmp_path / "others.csv"
    rows = ["training,a.jpg,1,2,3.5,4", "test,a.jpg,0,0,9,9", "training,a.jpg,5,5,6,6"]
    file.write_text("part,name,x0,y0,x1,y1\n" + "\n".join(rows) + "\n")
    boxes = read_other_faces([str(file)], "training")
    assert set(boxes) == {"a.jpg"}
    np.testing.assert_allclose(boxes["a.jpg"], [[1.0, 2.0, 3.5, 4.0], [5.0, 5.0, 6.0, 6.0]])
    assert read_other_faces([], "training") == {}


def test_the_tables_of_several_data_sets_are_joined() -> None:
    first, second = (read_other_faces([name], "training") for name in SHIPPED)
    assert len(first) > 100
    assert len(second) > 100
    assert len(read_other_faces(SHIPPED, "training")) == len(first) + len(second)


@pytest.mark.parametrize(
    "row", ["training,a.jpg,1,2,3", "training,a.jpg,1,2,x,4", "test,a.jpg,5,5,1,1", "t,a,0,0,nan,1"]
)
def test_names_a_bad_row(row: str, tmp_path: Path) -> None:
    file = tmp_path / "others.csv"
    file.write_text(f"part,name,x0,y0,x1,y1\ntest,b.jpg,0,0,1,1\n{row}\n")
    with pytest.raises(DatasetError, match=r"others\.csv: line 3: not part,name,x0,y0,x1,y1"):
        read_other_faces([str(file)], "training")


def test_refuses_a_missing_or_unreadable_file_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nosuch\.csv: others: no such file"):
        read_other_faces(["nosuch.csv"], "training")
    (tmp_path / "latin.csv").write_bytes(b"part,name\n\xe9\n")
    with pytest.raises(DatasetError, match="not a CSV table in UTF-8"):
        read_other_faces([str(tmp_path / "latin.csv")], "training")
