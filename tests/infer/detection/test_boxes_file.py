from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fkd_infer.detection.boxes_file import BoxesFile
from fkd_infer.errors import BoxesFileError, SettingsError
from fkd_infer.types import Frame

HEADER = "source,frame,x0,y0,x1,y1\n"


def frame(source: str, index: int = 0) -> Frame:
    return Frame(np.zeros((4, 4, 3), np.uint8), source, index)


def write(folder: Path, text: str) -> Path:
    path = folder / "boxes.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_boxes_are_looked_up_by_path_or_file_name_and_frame(tmp_path: Path) -> None:
    text = HEADER + "a.jpg,0,1,2,3,4\n./a.jpg,0,5,6,7,8\nv/b.mp4,7,0,0,9.5,9\n"
    boxes = BoxesFile.read(write(tmp_path, text))
    np.testing.assert_array_equal(boxes.find(frame("/x/a.jpg")).boxes, [[1, 2, 3, 4], [5, 6, 7, 8]])
    np.testing.assert_array_equal(boxes.find(frame("v/b.mp4", 7)).boxes, [[0, 0, 9.5, 9]])
    assert len(boxes.find(frame("v/b.mp4", 6))) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the header"),
        ("a,b\n", "line 1: the header"),
        (HEADER + "a.jpg,0,1,2,x,4\n", "line 2: not a number"),
        (HEADER + "a.jpg,0,1,2,3\n", "line 2: not a number"),
        (HEADER + "a.jpg,0,1,2,3,4\na.jpg,0,9,2,3,4\n", "line 3: .*no area"),
        (HEADER + "a.jpg,0.5,1,2,3,4\n", "line 2: not a number"),
    ],
)
def test_errors_name_the_invalid_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BoxesFileError, match=message):
        BoxesFile.read(write(tmp_path, text))


def test_errors_name_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BoxesFileError, match=r"nosuch\.csv"):
        BoxesFile.read(tmp_path / "nosuch.csv")


def test_boxes_for_other_sources_are_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + "a.jpg,0,1,2,3,4\n")
    boxes = BoxesFile.read(path)
    boxes.check_sources(path, ["x/b.jpg", "x/a.jpg"])
    with pytest.raises(
        SettingsError, match=r"boxes\.csv has no boxes for any of the sources; its "
    ):
        boxes.check_sources(path, ["x/b.jpg"])


def test_a_file_without_boxes_is_for_all_sources(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER)
    BoxesFile.read(path).check_sources(path, ["b.jpg"])
