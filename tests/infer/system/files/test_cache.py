"""The folder for downloads and tuned settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from fkd_infer.system.files.cache import cache_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("FKD_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_fkd_cache_wins_over_xdg_cache_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "base")
    assert cache_folder() == Path("base/fkd")
    monkeypatch.setenv("FKD_CACHE", "own")
    assert cache_folder() == Path("own")


def test_the_default_is_in_the_users_home(home: Path) -> None:
    assert cache_folder().is_relative_to(home)
    assert "fkd" in cache_folder().parts
    assert not cache_folder().exists()


def test_a_user_without_a_home_gets_no_relative_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(RuntimeError, match="home directory"):
        cache_folder()
