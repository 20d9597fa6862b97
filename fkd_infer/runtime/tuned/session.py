"""Starts sessions with the settings that `fkd-infer tune` found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from fkd_infer.choices import BATCH
from fkd_infer.errors import FkdError
from fkd_infer.models.shipped import find_model
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.options import parse_settings
from fkd_infer.runtime.providers.registry import AUTO, find_provider, first_choice
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.tuned.profile import Profile, UnusedProfile, any_profiles, read_profile


def open_session(
    model: str | Path,
    provider: str | ProviderChoice = AUTO,
    threads: int | None = None,
    settings: SessionSettings | None = None,
    tuned: bool = True,
) -> tuple[LandmarkSession, int]:
    """Starts a session; returns it and the number of faces to run in one call.

    Without `settings`, and without settings of the provider, the profile of `fkd-infer tune` for
    the model, this machine and the provider is used if there is one. `threads` override both.
    """
    path, choice = find_model(model), ProviderChoice.of(provider)
    session = partial(
        LandmarkSession, path, choice, with_threads(settings or SessionSettings(), threads)
    )
    if not tuned or settings is not None or choice.settings is not None:
        return session(), BATCH
    started: list[LandmarkSession] = []

    def start() -> str:
        started.append(session())
        return started[0].started.on

    profile = find_tuned(path, choice, start)
    if profile is None:
        return (started or [session()])[0], BATCH
    chosen, own = tuned_choice(choice, profile), with_threads(profile.settings, threads)
    return _open_tuned(path, profile, chosen, own), profile.batch


def find_tuned(model: Path, choice: ProviderChoice, start: Callable[[], str]) -> Profile | None:
    """Returns the profile of a model on what a choice stands for.

    `start` starts a session and returns the provider and device that it runs on, unless they are
    known before.
    """
    if not any_profiles():
        return None
    is_cpu = first_choice(choice.name, import_onnxruntime()) is CPU
    return read_profile(model, CPU.name if is_cpu else start())


def with_threads(settings: SessionSettings, threads: int | None) -> SessionSettings:
    """Returns settings with another number of threads, if there is one."""
    return settings if threads is None else replace(settings, threads=threads)


def tuned_choice(choice: ProviderChoice, profile: Profile) -> ProviderChoice:
    """Returns what a profile is for, with the provider's settings in it."""
    on = ProviderChoice.of(profile.key.provider)
    kind = find_provider(on.name).settings_type
    own = parse_settings(kind, on.name, profile.options) if profile.options else None
    return replace(on, settings=own, allow_fallback=choice.allow_fallback)


def _open_tuned(
    model: Path, profile: Profile, choice: ProviderChoice, settings: SessionSettings
) -> LandmarkSession:
    network = profile.network(model)
    if choice.name == CPU.name and profile.graph.is_file():
        try:
            session = LandmarkSession(profile.graph, choice, replace(settings, level="none"))
        except FkdError as error:
            UnusedProfile(profile.graph, str(error), model, profile.key.provider).warn()
        else:
            # `profiled` starts the session again from these: the network, not its saved graph.
            session.path, session.settings = network, settings
            return session
    return LandmarkSession(network, choice, settings)
