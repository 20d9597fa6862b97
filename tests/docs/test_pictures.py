"""The pictures of the documentation can be drawn again, and stay small."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from repo_paths import ROOT

pytest.importorskip("skimage", reason="needs the photo of the extra demo")

from tools.pictures.__main__ import PICTURES, main
from tools.pictures.samples import save, write_titled_blocks

MAX_BYTES, MAX_WIDTH = 60_000, 900


@pytest.mark.parametrize("name", ["demo", "start-photo", "filter-pictures"])
def test_pictures_are_drawn_and_small(name: str, tmp_path: Path) -> None:
    PICTURES[name](tmp_path)
    (path,) = tmp_path.iterdir()
    image = cv2.imread(str(path))
    assert image is not None
    assert image.shape[1] <= MAX_WIDTH
    assert path.stat().st_size <= MAX_BYTES
    assert (ROOT / "docs" / "images" / path.name).exists()


def test_versions_of_a_file_on_a_page_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    layers = []
    for version in range(4):
        write_titled_blocks("tutorials/filter.md", version)
        layers.append(json.loads(Path("clown/filter.json").read_text())["layers"])
    assert [len(each) for each in layers] == [1, 2, 2, 2]
    assert "offset" not in layers[1][1]
    assert layers[2] == layers[3]
    assert layers[2][1]["offset"] == [0, -0.65]


def test_a_picture_that_cannot_be_small_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    with pytest.raises(ValueError, match="more than 60000 bytes"):
        save(tmp_path / "noise.jpg", noise)
    assert not list(tmp_path.iterdir())


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(SystemExit, match="no picture is named mona-lisa"):
        main(["mona-lisa"])
