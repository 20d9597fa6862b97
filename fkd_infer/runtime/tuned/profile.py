"""Profiles: the settings that `fkd-infer tune` found for a model on this machine."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from fkd_infer.choices import BATCH, Goal
from fkd_infer.errors import OutputError
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.files.cache import cache_folder, digest
from fkd_infer.system.files.reading import file_sha256
from fkd_infer.system.files.strict_dataclass import parse_dataclass
from fkd_infer.system.hardware import available_threads, cpu_features, cpu_name

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProfileKey:
    """All that a profile depends on: CPU, cores, ONNX Runtime's version, the model's sha256, and
    the provider with its device."""

    cpu: str
    features: tuple[str, ...]
    threads: int
    onnxruntime: str
    model: str
    provider: str = CPU.name

    @classmethod
    def of(cls, model: Path, provider: str) -> ProfileKey:
        """Returns the key of a model file on a provider of this machine, such as "cuda:0"."""
        version: str = import_onnxruntime().__version__
        threads = available_threads()
        return cls(cpu_name(), cpu_features(), threads, version, file_sha256(model), provider)


@dataclass(frozen=True, slots=True)
class ModelVariant:
    """Another file in the model's folder, used in place of the model."""

    file: str
    sha256: str

    def __post_init__(self) -> None:
        if self.file in ("", "..") or Path(self.file).name != self.file:
            raise ValueError(f"{self.file!r} is not the name of a file in the model's folder")


@dataclass(frozen=True, slots=True)
class Profile:
    """The fastest way to run a model on a machine; `batch` is the number of faces in one call, and
    `options` are the provider's, as KEY=VALUE.

    Raises ValueError for an unknown version and for a batch of less than one face.
    """

    key: ProfileKey
    goal: Goal
    settings: SessionSettings
    batch: int = BATCH
    variant: ModelVariant | None = None
    options: tuple[str, ...] = ()
    version: int = 2

    def __post_init__(self) -> None:
        if self.version != 2:
            raise ValueError(f"it has version {self.version}, but this fkd reads version 2")
        if self.batch < 1:
            raise ValueError(f"batch is {self.batch}, but must be 1 or more")

    @property
    def path(self) -> Path:
        """The profile's file."""
        return _profile_path(self.key)

    @property
    def graph(self) -> Path:
        """The file of the network as ONNX Runtime optimized it for this machine."""
        network = self.key.model if self.variant is None else self.variant.sha256
        name = digest([self.key.onnxruntime, network, self.settings.level])
        return self.path.with_name(f"graph-{name}.onnx")

    def network(self, model: Path) -> Path:
        """Returns the file to run: the variant beside the model if there is one."""
        return model if self.variant is None else model.with_name(self.variant.file)


@dataclass(frozen=True, slots=True)
class UnusedProfile:
    """A file of a profile that is not used, the reason, and the profile's model and provider."""

    path: Path
    reason: str
    model: Path
    provider: str

    @property
    def problem(self) -> str:
        """The file and the reason, for users."""
        return f"{self.path} is not used: {self.reason}"

    @property
    def fix(self) -> str:
        """The command that makes a new profile."""
        on = "" if self.provider == CPU.name else f" --provider {self.provider}"
        return f"fkd-infer tune --model {self.model}{on}"

    def warn(self) -> None:
        """Logs the problem and its fix."""
        _log.warning("%s; fix it with: %s", self.problem, self.fix)


def _profile_path(key: ProfileKey) -> Path:
    # ONNX Runtime's version is left out, so that an outdated profile is found and reported.
    on = [] if key.provider == CPU.name else [key.provider]
    name = digest([key.cpu, key.features, key.threads, key.model, *on])
    return cache_folder() / "tuned" / name / "profile.json"


def check_writable() -> None:
    """Raises OutputError if no profile can be written, before a minute is spent on one."""
    try:
        probe = cache_folder() / "tuned" / "probe"
    except RuntimeError as error:
        raise OutputError("FKD_CACHE", str(error).rstrip("."), "set it to a folder") from error
    with atomic_write(probe) as partial, output_errors(probe):
        partial.touch()
        partial.unlink()


def write_profile(profile: Profile, model: Path) -> None:
    """Writes the profile of a model file, and its optimized graph; raises OutputError."""
    if profile.key.provider == CPU.name and profile.settings.level != "none":
        with atomic_write(profile.graph) as partial:
            _save_graph(profile.network(model), profile.settings, partial)
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


def read_profile(model: Path, provider: str) -> Profile | None:
    """Returns the profile of a model file on a provider; warns of one that cannot be used."""
    profile = find_profile(model, provider)
    if isinstance(profile, UnusedProfile):
        profile.warn()
        return None
    return profile


def find_profile(model: Path, provider: str = CPU.name) -> Profile | UnusedProfile | None:
    """Returns the profile of a model file on a provider of this machine, None if there is none.

    A profile that is damaged, or of another machine, runtime or model, is an UnusedProfile.
    """
    if not any_profiles():
        return None
    key = ProfileKey.of(model, provider)
    path = _profile_path(key)
    try:
        profile = parse_dataclass(Profile, json.loads(path.read_text("utf-8")), "profile")
    except FileNotFoundError:
        return None
    except RecursionError:
        return UnusedProfile(path, "it is nested too deeply", model, provider)
    except (OSError, ValueError) as error:
        return UnusedProfile(path, str(error), model, provider)
    mismatch = _mismatch(profile, key, model)
    return UnusedProfile(path, mismatch, model, provider) if mismatch else profile


def any_profiles() -> bool:
    """Whether a model was ever tuned; otherwise, no model need be read for its sha256."""
    try:
        return bool(os.listdir(cache_folder() / "tuned"))  # noqa: PTH208 (no object for each)
    except (OSError, RuntimeError):  # no such folder; a user without a home
        return False


def _mismatch(profile: Profile, key: ProfileKey, model: Path) -> str:
    """Returns how a profile differs from this machine and model, empty if it does not."""
    tuned, here = asdict(profile.key), asdict(key)
    for name in here:
        if tuned[name] != here[name]:
            return f"its {name} is {tuned[name]!r}, but here it is {here[name]!r}"
    variant = profile.variant
    if variant is not None and not _is_unchanged(profile.network(model), variant.sha256):
        return f"{variant.file} has changed or is gone"
    return ""


def _is_unchanged(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256
