"""Starts sessions with the settings that `fkd-infer tune` found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fkd_infer.choices import BATCH, Provider
from fkd_infer.errors import FkdError
from fkd_infer.models.shipped import find_model
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.providers.base import ProviderSettings
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.registry import AUTO, first_choice
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.tuned_profile import Profile, UnusedProfile, read_profile


def open_session(
    model: str | Path,
    provider: Provider = AUTO,
    threads: int | None = None,
    settings: SessionSettings | None = None,
    tuned: bool = True,
    provider_settings: ProviderSettings | None = None,
) -> tuple[LandmarkSession, int]:
    """Starts a session; returns it and the number of faces to run in one call.

    Without `settings`, the profile of `fkd-infer tune` for the model and this machine is used if
    there is one. `threads` override both.
    """
    path = find_model(model)
    profile = (
        read_profile(path)
        if tuned and settings is None and first_choice(provider, import_onnxruntime()).tunable
        else None
    )
    settings = profile.settings if profile else settings or SessionSettings()
    settings = settings if threads is None else replace(settings, threads=threads)
    if profile is None:
        return LandmarkSession(model, provider, settings, provider_settings), BATCH
    return _open_tuned(path, profile, settings), profile.batch


def _open_tuned(model: Path, profile: Profile, settings: SessionSettings) -> LandmarkSession:
    network = profile.network(model)
    if profile.graph.is_file():
        try:
            session = LandmarkSession(profile.graph, CPU.name, replace(settings, level="none"))
        except FkdError as error:
            UnusedProfile(profile.graph, str(error), model).warn()
        else:
            # `profiled` starts the session again from these: the network, not its saved graph.
            session.path, session.settings = network, settings
            return session
    return LandmarkSession(network, CPU.name, settings)
