"""What `fkd-infer tune` tunes: a landmark network, or fkd's own detector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from fkd_infer.choices import DETECTOR_MODEL, Goal
from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.models.shipped import find_model
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.start import Started
from fkd_infer.tuning.detector_worker import tuned_detector_contender
from fkd_infer.tuning.interleaved import Contender
from fkd_infer.tuning.pipeline_worker import pipeline_contender
from fkd_infer.tuning.session_worker import session_contender
from fkd_infer.tuning.trial import RunConfig
from fkd_infer.tuning.variants import (
    compare_detectors,
    compare_networks,
    detector_variants_of,
    variants_of,
)

SEARCHED = (640, 360)
"""Width and height of the image that detectors search."""


class Subject(ABC):
    """A network to tune; `model` is the file whose profile is written."""

    title: str
    model: Path
    goal: Goal = "pipeline"
    unit: str
    """Of the timed calls, in tables."""
    batched = False
    """Whether it runs several crops at once."""

    @abstractmethod
    def start(self, config: RunConfig) -> Started:
        """Starts a session as configured; raises FkdError."""

    @abstractmethod
    def files(self) -> Sequence[Path]:
        """Returns files that can replace each other, the default first."""

    @abstractmethod
    def contender(self, name: str, config: RunConfig, batch: int | None) -> Contender:
        """Returns what is timed; `batch` crops in one call if it is not None."""

    @abstractmethod
    def compare(self, file: Path) -> str:
        """Says how accurate another file is."""


class Landmarks(Subject):
    """A landmark network."""

    title = "the landmark network"
    batched = True

    def __init__(self, model: Path, goal: Goal) -> None:
        self.model, self.goal = model, goal
        self.unit = "ms a frame" if goal == "pipeline" else "ms a call"

    def start(self, config: RunConfig) -> Started:
        """Starts a session as configured; raises FkdError."""
        return LandmarkSession(config.network, config.choice, config.settings).started

    def files(self) -> Sequence[Path]:
        """Returns the model and the other files of its weights beside it."""
        return [self.model, *variants_of(self.model)]

    def contender(self, name: str, config: RunConfig, batch: int | None) -> Contender:
        """Returns calls of the network alone, or between those of a detector."""
        if batch is None and self.goal == "pipeline":
            return pipeline_contender(name, config)
        return session_contender(name, config.network, config.settings, batch or 1, config.choice)

    def compare(self, file: Path) -> str:
        """Says how accurate another file is."""
        return compare_networks(file, self.model)


class OwnDetector(Subject):
    """fkd's own detector; without a model, the shipped one, of which the CPU has a file in int8."""

    title = "the detector"
    unit = "ms a search"

    def __init__(self, model: str | Path | None, choice: ProviderChoice) -> None:
        self.model = find_model(model or DETECTOR_MODEL, detectors=True)
        self.default = FkdDetector(model, provider=choice).path

    def start(self, config: RunConfig) -> Started:
        """Starts a session as configured; raises FkdError."""
        settings: SessionSettings = config.settings
        return FkdDetector(config.network, provider=config.choice, settings=settings).started

    def files(self) -> Sequence[Path]:
        """Returns the default file, the model, and the other files of its weights beside it."""
        return list(dict.fromkeys([self.default, self.model, *detector_variants_of(self.model)]))

    def contender(self, name: str, config: RunConfig, batch: int | None) -> Contender:
        """Returns searches of an image."""
        return tuned_detector_contender(name, SEARCHED, config)

    def compare(self, file: Path) -> str:
        """Says how accurate another file is."""
        return compare_detectors(file, self.model)
