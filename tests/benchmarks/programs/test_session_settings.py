"""Variations of the session's defaults."""

from __future__ import annotations

from benchmarks.programs.session_settings import AGAIN, DEFAULT, variations
from fkd_infer.runtime.settings import SessionSettings


def test_each_variation_changes_one_default() -> None:
    base = SessionSettings(2)
    names = [variation.name for variation in variations(2)]
    assert names[:2] == [DEFAULT, AGAIN]
    for variation in variations(2)[2:]:
        changed = [
            name
            for name in ("threads", "spin", "level", "denormals_as_zero", "arena")
            if getattr(variation.settings, name) != getattr(base, name)
        ]
        assert len(changed) == (variation.name != "OpenCV on 1 thread"), variation.name
    assert "1 thread" not in [variation.name for variation in variations(1)]
