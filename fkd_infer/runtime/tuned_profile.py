"""What `fkd-infer tune` found out about a model on this machine, and sessions opened by it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fkd_infer.choices import BATCH, Goal, Provider
from fkd_infer.errors import FkdError, OutputError
from fkd_infer.models.shipped import find_model
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.providers.base import ProviderSettings
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.registry import AUTO, find_provider, usable_providers
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.files.cache import cache_folder
from fkd_infer.system.files.reading import file_sha256
from fkd_infer.system.files.strict_dataclass import parse_dataclass
from fkd_infer.system.hardware import available_threads, cpu_features, cpu_name

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProfileKey:
    """What a profile is of, and for nothing else: a CPU, ONNX Runtime, and a model's sha256."""

    cpu: str
    features: tuple[str, ...]
    threads: int
    onnxruntime: str
    model: str

    @classmethod
    def of(cls, model: Path) -> ProfileKey:
        """The key of a model file, here and now."""
        version: str = import_onnxruntime().__version__
        return cls(cpu_name(), cpu_features(), available_threads(), version, file_sha256(model))


@dataclass(frozen=True, slots=True)
class ModelVariant:
    """Another file in the model's folder, which stands in for it."""

    file: str
    sha256: str

    def __post_init__(self) -> None:
        if self.file in ("", "..") or Path(self.file).name != self.file:
            raise ValueError(f"{self.file!r} is not the name of a file in the model's folder")


@dataclass(frozen=True, slots=True)
class Profile:
    """How a model is best run on a machine; `batch` is how many faces a call had best take.

    Raises ValueError for a batch without faces, and for another version than this fkd writes.
    """

    key: ProfileKey
    goal: Goal
    settings: SessionSettings
    batch: int = BATCH
    variant: ModelVariant | None = None
    version: int = 1

    def __post_init__(self) -> None:
        if self.version != 1:
            raise ValueError(f"it has version {self.version}, this fkd reads version 1")
        if self.batch < 1:
            raise ValueError(f"batch is {self.batch}, but a call takes one face or more")

    @property
    def path(self) -> Path:
        """Its file."""
        return _profile_path(self.key)

    @property
    def graph(self) -> Path:
        """The file of the network as ONNX Runtime rewrote it for this machine."""
        network = self.key.model if self.variant is None else self.variant.sha256
        name = _digest([self.key.onnxruntime, network, self.settings.level])
        return self.path.with_name(f"graph-{name}.onnx")


@dataclass(frozen=True, slots=True)
class UnusedProfile:
    """A file of a profile that is not used, why not, and the model that it is of."""

    path: Path
    why: str
    model: Path

    @property
    def problem(self) -> str:
        """What a person is told."""
        return f"{self.path} is not used: {self.why}"

    @property
    def fix(self) -> str:
        """The command that makes a new profile."""
        return f"fkd-infer tune --model {self.model}"


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _profile_path(key: ProfileKey) -> Path:
    # Without ONNX Runtime's version: after an update, the profile is found, and told to be old.
    name = _digest([key.cpu, key.features, key.threads, key.model])
    return cache_folder() / "tuned" / name / "profile.json"


def check_writable() -> None:
    """Raises OutputError where no profile could be kept, before a minute is spent on one."""
    try:
        probe = cache_folder() / "tuned" / "probe"
    except RuntimeError as error:
        raise OutputError("FKD_CACHE", str(error).rstrip("."), "set it to a folder") from error
    with atomic_write(probe) as partial, output_errors(probe):
        partial.touch()
        partial.unlink()


def write_profile(profile: Profile, model: Path) -> None:
    """Keeps a profile of a model file, with its rewritten graph; raises OutputError."""
    network = model if profile.variant is None else model.with_name(profile.variant.file)
    if profile.settings.level != "none":
        with atomic_write(profile.graph) as partial:
            _save_graph(network, profile.settings, partial)
    with atomic_write(profile.path) as partial:
        partial.write_text(json.dumps(asdict(profile), indent=1))
    for graph in profile.path.parent.glob("graph-*.onnx"):
        if graph != profile.graph:
            graph.unlink()


def _save_graph(network: Path, settings: SessionSettings, out: Path) -> None:
    ort = import_onnxruntime()
    options = settings.options(ort)
    options.optimized_model_filepath = str(out)
    try:
        ort.InferenceSession(network, options, providers=[CPU.onnx_name])
    except Exception as error:  # ONNX Runtime's errors share no other base
        raise OutputError(out, " ".join(str(error).split())) from error


def read_profile(model: Path) -> Profile | None:
    """The profile of a model file on this machine, if one can be used; warns of any other."""
    found = find_profile(model)
    if isinstance(found, UnusedProfile):
        _warn(found)
        return None
    return found


def find_profile(model: Path) -> Profile | UnusedProfile | None:
    """The profile of a model file on this machine, if there is one.

    A profile that is damaged, or of another machine, runtime or model, is UnusedProfile.
    """
    if not _any_profiles():
        return None
    key = ProfileKey.of(model)
    path = _profile_path(key)
    try:
        profile = parse_dataclass(Profile, json.loads(path.read_text("utf-8")), "profile")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        return UnusedProfile(path, str(error), model)
    why = _why_not(profile, key, model)
    return UnusedProfile(path, why, model) if why else profile


def _why_not(profile: Profile, key: ProfileKey, model: Path) -> str:
    """Why a profile does not hold for a model, here and now; empty where it does."""
    found, here = asdict(profile.key), asdict(key)
    for name in here:
        if found[name] != here[name]:
            return f"its {name} is {found[name]!r}, and here {here[name]!r}"
    variant = profile.variant
    if variant is not None and not _is_there(variant, model):
        return f"{variant.file} is not the file that it was, or is gone"
    return ""


def _any_profiles() -> bool:
    """Whether anything was ever tuned; where not, the model need not be read for its sha256."""
    try:
        return bool(os.listdir(cache_folder() / "tuned"))  # noqa: PTH208 (no object for each)
    except (OSError, RuntimeError):  # no such folder; a user without a home
        return False


def _is_there(variant: ModelVariant, model: Path) -> bool:
    path = model.with_name(variant.file)
    return path.is_file() and file_sha256(path) == variant.sha256


def _warn(unused: UnusedProfile) -> None:
    _log.warning("%s; mend it with: %s", unused.problem, unused.fix)


def open_session(
    model: str | Path,
    provider: Provider = "auto",
    threads: int | None = None,
    settings: SessionSettings | None = None,
    tuned: bool = True,
    provider_settings: ProviderSettings | None = None,
) -> tuple[LandmarkSession, int]:
    """A session, and how many faces a call of it had best take.

    Where the machine was tuned for the model, its profile stands in for what is not given;
    `settings` leave nothing for it. `threads` win over both.
    """
    wanted = tuned and settings is None and _is_tunable(provider)
    path = find_model(model)
    profile = read_profile(path) if wanted else None
    settings = profile.settings if profile else settings or SessionSettings()
    settings = settings if threads is None else replace(settings, threads=threads)
    if profile is None:
        return LandmarkSession(model, provider, settings, provider_settings), BATCH
    return _open_tuned(path, profile, settings), profile.batch


def _is_tunable(provider: Provider) -> bool:
    """Whether profiles hold for the provider; for "auto", the one that is tried first."""
    if provider != AUTO:
        return find_provider(provider).tunable
    return all(usable.tunable for usable in usable_providers(import_onnxruntime()))


def _open_tuned(model: Path, profile: Profile, settings: SessionSettings) -> LandmarkSession:
    network = model if profile.variant is None else model.with_name(profile.variant.file)
    if profile.graph.is_file():
        try:
            session = LandmarkSession(profile.graph, CPU.name, replace(settings, level="none"))
        except FkdError as error:
            _warn(UnusedProfile(profile.graph, str(error), model))
        else:
            # For whoever opens it anew, as to profile it: the same network, wherever it came from.
            session.path, session.settings = network, settings
            return session
    return LandmarkSession(network, CPU.name, settings)
