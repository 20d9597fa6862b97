"""Generated folders of pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.programs.photo_set import make_photo_set
from fkd_infer.media.images.file import read_image


def test_generates_the_same_pictures_each_time_and_reuses_them(tmp_path: Path) -> None:
    pytest.importorskip("skimage", reason="needs the demo extra's photo")
    one, other = (make_photo_set(tmp_path / name, 6, None) for name in ("a", "b"))
    files = sorted(path.name for path in one.iterdir())
    assert len(files) == 6
    for name in files:
        assert (one / name).read_bytes() == (other / name).read_bytes()
        assert 200 <= max(read_image(one / name).shape) <= 4000
    before = (one / files[0]).stat().st_mtime_ns
    assert make_photo_set(tmp_path / "a", 6, None) == one
    assert (one / files[0]).stat().st_mtime_ns == before
