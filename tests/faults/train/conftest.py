"""Drawn faces, small recipes, and a complete run to copy from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from drawn_dataset import tiny_recipe, write_part

from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.reports import plots
from fkd_train.training.run import train


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of drawn faces: 20 training rows of 10 people, 6 test rows."""
    folder = tmp_path_factory.mktemp("drawn")
    write_part(folder, "training", 10, 2, seed=0)
    write_part(folder, "test", 3, 2, seed=1)
    return folder


@pytest.fixture(scope="session")
def tiny() -> LandmarkRecipe:
    """Two epochs of five steps, with augmentation, schedule and averaging."""
    return tiny_recipe()


@pytest.fixture(scope="session")
def short(tiny: LandmarkRecipe) -> LandmarkRecipe:
    """Two epochs of four steps that select the best epoch."""
    return replace(tiny, split="identity")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Runs torch on one thread."""
    with _one_thread():
        yield


@pytest.fixture(scope="module")
def no_plots() -> Iterator[None]:
    """Runs of this process draw no plots, which take longer than training; others do."""
    with _no_plots():
        yield


@pytest.fixture(scope="session")
def complete_run(
    short: LandmarkRecipe, drawn_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The folder of a complete run of `short`, and its data."""
    folder = tmp_path_factory.mktemp("complete")
    with _one_thread(), _no_plots():
        train(short, drawn_data, folder / "run", workers=0)
    return folder / "run", drawn_data


@pytest.fixture
def run(complete_run: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """Copies of a complete run and its data, which the test may change."""
    for source, name in zip(complete_run, ("run", "data"), strict=True):
        shutil.copytree(source, tmp_path / name)
    return tmp_path / "run", tmp_path / "data"


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@contextmanager
def _no_plots() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "plot_run", lambda *_: None)
        yield
