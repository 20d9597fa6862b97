"""`load()`: opens the models and composes a pipeline of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, overload

from fkd_infer.choices import (
    DEFAULT_DETECTOR,
    DEFAULT_MODEL,
    MIN_PRESENCE,
    Roll,
)
from fkd_infer.detection.base import Detector, check_detector
from fkd_infer.detection.factory import build_detector
from fkd_infer.detection.registry import SEARCHING, find_detector
from fkd_infer.detection.tiling import Search
from fkd_infer.end_to_end import EndToEndPipeline
from fkd_infer.errors import SettingsError
from fkd_infer.pipeline import Pipeline
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.end_to_end.session import EndToEndSession
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.registry import AUTO
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.tuned.session import open_session
from fkd_infer.system.arguments import AtLeastOne, Share, checked


@overload
def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    detector: str | Detector = DEFAULT_DETECTOR,
    detector_model: str | Path | None = None,
    provider: str | ProviderChoice = AUTO,
    detector_provider: str | ProviderChoice | None = None,
    threads: AtLeastOne | None = None,
    max_size: int | None = None,
    min_face: float | None = None,
    min_score: Share | None = None,
    roll: Roll | None = None,
    min_presence: Share | None = None,
    refine: bool | None = None,
    settings: SessionSettings | None = None,
    tuned: bool = True,
    end_to_end: Literal[False] = False,
) -> Pipeline: ...


@overload
def load(
    model: str | Path,
    *,
    end_to_end: Literal[True],
    provider: str | ProviderChoice = AUTO,
    threads: AtLeastOne | None = None,
    settings: SessionSettings | None = None,
) -> EndToEndPipeline: ...


@checked
def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    detector: str | Detector = DEFAULT_DETECTOR,
    detector_model: str | Path | None = None,
    provider: str | ProviderChoice = AUTO,
    detector_provider: str | ProviderChoice | None = None,
    threads: AtLeastOne | None = None,
    max_size: int | None = None,
    min_face: float | None = None,
    min_score: Share | None = None,
    roll: Roll | None = None,
    min_presence: Share | None = None,
    refine: bool | None = None,
    settings: SessionSettings | None = None,
    tuned: bool = True,
    end_to_end: bool = False,
) -> Pipeline | EndToEndPipeline:
    """Opens the models and returns a pipeline.

    - `model`: name of a shipped network ("fkdnet" by default), or an ONNX file from fkd-export.
    - `detector`: "fkd" (the default), "haar", "yunet", "none" for images that are one cropped face,
      or the name of another package's detector; or a Detector. `detector_model` is the file of one
      by name.
    - `provider`: what the networks run on, by name, perhaps with a device ("openvino:GPU",
      "cuda:1"), or a ProviderChoice with settings: it is used, wholly, or ProviderError is raised.
      "auto", the default, is the first one that proves itself. `detector_provider` is another for
      the detector.
    - `max_size`: longer side, in pixels, at which frames are searched; the default depends on the
      detector. `min_face`: faces of fewer pixels, from brows to chin, are left out, and tiles are
      searched for those that the downscaled frame would show too small. `min_score`: detections
      with a lower score, from 0 to 1, are left out; the default is the detector's own, which is
      lower if the network has a presence score that checks them. `roll`: "any" also searches for
      faces that are turned sideways or upside down, in at most four times the time; "upright" is
      the default. All four are for detectors by name.
    - `min_presence`: faces with a lower presence score, from 0 to 1, are left out; 0.5 by default,
      0 keeps all. Detectors now and then mistake a poster or a fold of cloth for a face, and
      networks with a score notice.
    - `refine`: whether to place points a second time, in the box of the first ones.
    - `threads`, `settings`, `tuned`: networks run with the settings that `fkd-infer tune` measured
      on this machine and provider, perhaps from another file with the same weights in its folder.
      `tuned=False` ignores them, `settings` replaces them, and `threads` overrides both. Without
      all of them, `threads` is the number of cores of this process.
    - `end_to_end`: `model` is an end-to-end file of fkd-export, with detector, crop and network. Of
      the other arguments, only `provider`, `threads` and `settings` apply.

    For trusted detectors, such as "none", `min_presence` is 0 and `refine` False by default.

    Raises SettingsError for an argument of another kind, with its name, its value and the choices;
    ModelFileNotFoundError, InvalidModelError, ModelCardError and WrongTaskError for a file;
    ProviderError, DetectorError, DownloadError and InstallError for what is not there.

    Examples:
        >>> import fkd_infer
        >>> pipeline = fkd_infer.load()
        >>> (face,) = pipeline(fkd_infer.read_image("photo.jpg"))  # best first, if there are more
        >>> face.points.shape
        (68, 2)
        >>> careful = fkd_infer.load("fkdnet-large", max_size=2560, min_face=24, roll="any")
        >>> fkd_infer.load(refine="no")
        Traceback (most recent call last):
        fkd_infer.errors.SettingsError: refine ...
    """
    search_arguments = {
        "detector_model": detector_model,
        "max_size": max_size,
        "min_face": min_face,
        "min_score": min_score,
        "roll": roll,
    }
    if end_to_end:
        own = None if isinstance(detector, str) and detector == DEFAULT_DETECTOR else detector
        others = {"min_presence": min_presence, "refine": refine}
        detection = {"detector": own, "detector_provider": detector_provider, **search_arguments}
        _check_is_none({**detection, **others})
        settings = settings or SessionSettings()
        settings = settings if threads is None else replace(settings, threads=threads)
        return EndToEndPipeline(EndToEndSession(model, provider, settings))
    _check_detector(detector, search_arguments)
    if detector_provider is not None and not (
        isinstance(detector, str) and find_detector(detector).takes_provider
    ):
        problem = "is for detectors in ONNX Runtime, such as 'fkd'"
        raise SettingsError("detector_provider (--detector-provider)", problem)
    choice = ProviderChoice.of(provider)
    session, batch = open_session(model, choice, threads, settings, tuned)
    if isinstance(detector, str):
        size = find_detector(detector).search_sizes.photos if max_size is None else max_size
        detector = build_detector(
            detector,
            session.card,
            Search(size, min_face, min_score, roll or "upright"),
            model=detector_model,
            provider=_detector_choice(detector_provider, choice, session),
            threads=threads,
            checked=session.card.output.score and min_presence != 0,
            tuned=tuned and settings is None and choice.settings is None,
        )
    trusted = detector.traits.trusted
    if min_presence is None:
        min_presence = 0.0 if trusted else MIN_PRESENCE
    refine = not trusted if refine is None else refine
    return Pipeline(session, detector, min_presence, refine, batch)


def _detector_choice(
    asked: str | ProviderChoice | None, choice: ProviderChoice, session: LandmarkSession
) -> ProviderChoice:
    """What the detector runs on: by default as the landmark network, with the same settings."""
    if asked is not None:
        return ProviderChoice.of(asked)
    # "auto" has tried all others already if the landmark network runs on the CPU.
    is_cpu = choice.name == AUTO and session.execution_provider is CPU
    return ProviderChoice(CPU.name) if is_cpu else choice


def _check_is_none(arguments: Mapping[str, object]) -> None:
    """Raises SettingsError for an argument that is given, but part of an end-to-end file."""
    if given := [name for name, value in arguments.items() if value is not None]:
        problem = "cannot be chosen for an end-to-end file, which fixed it when it was exported"
        raise SettingsError(given[0], problem, "leave it out")


def _check_detector(detector: str | Detector, search_arguments: Mapping[str, object]) -> None:
    """Raises DetectorError for an object that is no detector, and SettingsError for arguments that
    the detector cannot use."""
    if not isinstance(detector, str):
        check_detector(detector)
    given = [name for name, value in search_arguments.items() if value is not None]
    if given and not (isinstance(detector, str) and find_detector(detector).searches):
        raise SettingsError(given[0], f"is for the detectors {', '.join(SEARCHING)}, by name")
