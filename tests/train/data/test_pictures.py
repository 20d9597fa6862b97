"""Pictures without faces, from scikit-image."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fkd_infer.errors import InstallError
from fkd_train.data.pictures import as_bgr, pictures_without_faces
from fkd_train.errors import RecipeError


@pytest.mark.parametrize("name", ["nosuchpicture", "data_dir"])
def test_refuses_an_unknown_picture_by_name(name: str) -> None:
    with pytest.raises(RecipeError, match=rf"{name}: mosaic\.pictures"):
        pictures_without_faces(("moon", name))


def test_pictures_need_scikit_image(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pictures_without_faces(()) == []
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(InstallError, match="scikit-image"):
        pictures_without_faces(("moon",))


def test_converts_pictures_of_any_kind_to_bgr() -> None:
    rgba = np.dstack([np.full((4, 5), value, np.uint8) for value in (10, 20, 30, 255)])
    for picture in (rgba, rgba[..., :3]):
        assert as_bgr(picture)[0, 0].tolist() == [30, 20, 10]
    assert as_bgr(np.full((4, 5), 0.5))[0, 0].tolist() == [127, 127, 127]
    assert as_bgr(np.ones((4, 5), bool))[0, 0].tolist() == [255, 255, 255]
    for converted in (as_bgr(rgba), as_bgr(np.zeros((4, 5), np.uint8))):
        assert converted.shape == (4, 5, 3)
        assert converted.dtype == np.uint8
        assert converted.flags.c_contiguous
