"""What a check is asked to do, and what its parts answer."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.harness.environment import ROOT
from benchmarks.harness.results import Figure, Measurement, SkippedContender, file_sha256
from fkd_infer.errors import FkdError, SettingsError, one_line
from fkd_infer.models.shipped import shipped_models
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.providers.base import ExecutionProvider
from fkd_infer.runtime.providers.cuda import CUDA, NVIDIA
from fkd_infer.runtime.providers.registry import AUTO, find_provider

COMMAND = "gpu"
MACHINE = "the machine"
"""The model of results that belong to no network."""
NO_TIME = "no time was left"
_FRAMES_NAMED = 4


@dataclass(frozen=True)
class FailedContender(SkippedContender):
    """A contender that should have run; `why` has the error, and where it was raised."""


Result: TypeAlias = Measurement | SkippedContender


@dataclass(frozen=True)
class CheckPlan:
    """A check of a provider, perhaps with a device ("cuda:1"); `quick` is for trying it out.

    No contender starts after `until`, a time of time.monotonic. Raises SettingsError for an unknown
    provider, and for "auto", which names none.
    """

    provider: str = CUDA.name
    quick: bool = False
    until: float = math.inf

    def __post_init__(self) -> None:
        if self.choice.name == AUTO:
            raise SettingsError("provider", f"is {AUTO!r}, and a check is of one", "name it")

    @property
    def choice(self) -> ProviderChoice:
        """The provider and its device."""
        return ProviderChoice.of(self.provider)

    @property
    def execution_provider(self) -> ExecutionProvider[Any]:
        """The provider."""
        return find_provider(self.choice.name)

    @property
    def is_nvidia(self) -> bool:
        """Whether the provider runs on NVIDIA's GPUs."""
        return self.execution_provider.driver is NVIDIA

    @property
    def is_over(self) -> bool:
        """Whether the time for this part is used up."""
        return time.monotonic() > self.until

    @property
    def batches(self) -> tuple[int, ...]:
        """Crops per timed call."""
        return (1, 16) if self.quick else (1, 16, 256)

    @property
    def blocks(self) -> int:
        """Blocks per contender."""
        return 1 if self.quick else 5

    @property
    def block_seconds(self) -> float:
        """Length of a block."""
        return 0.001 if self.quick else 0.1

    @property
    def scenes(self) -> dict[str, tuple[int, int]]:
        """Height of an image of 16:9, and faces on a side, by name."""
        if self.quick:
            return {"4 faces, 360p": (360, 2)}
        return {"1 face, 720p": (720, 1), "16 faces, 1080p": (1080, 4)}

    @property
    def searched_heights(self) -> tuple[int, ...]:
        """Heights of the images of 16:9 that are searched for faces."""
        return (360,) if self.quick else (360, 720, 1080)

    @property
    def landmark_files(self) -> list[Path]:
        """The files of landmark networks to run, the default network's first."""
        files = list(shipped_models().values())
        files.sort(key=lambda file: (file.stem.removesuffix("-int8"), file.stem))
        return [f for f in files if f.stem.startswith("fkdnet")][:2] if self.quick else files

    @property
    def networks(self) -> list[Path]:
        """The landmark networks to time: files in fp32."""
        return [file for file in self.landmark_files if not is_int8(file)]

    @property
    def detector_files(self) -> list[Path]:
        """The files of detectors to run."""
        return list(shipped_models(detectors=True).values())


def is_int8(file: Path) -> bool:
    """Whether a shipped file is in int8."""
    return file.stem.endswith("-int8")


def measured(
    part: str,
    model: str | Path,
    contender: str,
    figures: dict[str, Figure],
    facts: Mapping[str, str] | None = None,
) -> Measurement:
    """The figures of a contender, and what else is known of it, in words."""
    conditions = {"part": part, **(facts or {})}
    if isinstance(model, str):
        return Measurement(COMMAND, model, contender, conditions, figures)
    return Measurement(COMMAND, model.stem, contender, conditions, figures, file_sha256(model))


def left_out(model: str | Path, contender: str, why: str) -> SkippedContender:
    """A contender that cannot run here, or has no time."""
    return SkippedContender(COMMAND, _name(model), contender, why)


def failed(model: str | Path, contender: str, error: BaseException | str) -> FailedContender:
    """A contender that raised an error or answered something wrong."""
    return FailedContender(COMMAND, _name(model), contender, _reason(error))


def _name(model: str | Path) -> str:
    return model if isinstance(model, str) else model.stem


def _reason(error: BaseException | str) -> str:
    """One line; for errors that are no user's mistake, of the first one that was raised, and with
    the innermost lines of code."""
    if isinstance(error, str):
        return error
    if isinstance(error, FkdError):
        return str(error)
    while error.__cause__ is not None:
        error = error.__cause__
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_NAMED:]
    places = [f"{_short(frame.filename)}:{frame.lineno}" for frame in reversed(frames)]
    return f"{one_line(error)} ({' < '.join(places)})" if places else one_line(error)


def _short(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
