"""What fkd has to know about an execution provider of ONNX Runtime.

These files import nothing heavy, since `fkd-infer --help` reads the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Self, TypeAlias, TypeVar

from fkd_infer.errors import SettingsError
from fkd_infer.system.arguments import check_fields

if TYPE_CHECKING:
    import onnxruntime

    from fkd_infer.geometry.arrays import Floats, Pixels
    from fkd_infer.runtime.settings import SessionSettings

BatchRunner: TypeAlias = "Callable[[Pixels], list[Floats]]"
"""Runs a network: crops (n, size, size, channels), n > 0, → its outputs."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Base class of the settings that a provider has of its own: dataclasses, whose fields are what
    `--provider-option` accepts. Raises SettingsError for a field of another kind."""

    def __post_init__(self) -> None:
        check_fields(self)

    def check_unused(self, provider: str) -> None:
        """Raises SettingsError if a session on another provider cannot ignore these settings."""

    def for_any_size(self) -> Self:
        """Returns the settings for a network whose images are of any size, as detectors' are."""
        return self


@dataclass(frozen=True, slots=True)
class NoSettings(ProviderSettings):
    """Settings of a provider that has none."""


@dataclass(frozen=True, slots=True)
class PlannedSettings(ProviderSettings):
    """Settings of a provider that plans the work for each size of its input, which takes time.

    WebGPU and DirectML have these alone; the classes of others add their own. Raises SettingsError
    for invalid values.

    Examples:
        >>> import fkd_infer
        >>> settings = fkd_infer.PlannedSettings(buckets=(1, 4, 16), warm_up=True)
        >>> str(fkd_infer.ProviderChoice("webgpu", settings=settings))
        'webgpu'
    """

    buckets: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    """The batch sizes, ascending. A batch is padded to the next size, and split if it is larger
    than the last one, so each size is planned once. () runs batches as they come."""
    warm_up: bool = False
    """Run every bucket when the session starts, for programs that answer requests. Without it, the
    first batch of a size is slower, and unused sizes cost nothing."""

    def __post_init__(self) -> None:
        check_fields(self)
        if any(size < 1 for size in self.buckets) or any(a >= b for a, b in pairwise(self.buckets)):
            raise SettingsError("buckets", f"are {self.buckets}, but must ascend from 1 or more")
        if not self.buckets and self.warm_up:
            raise SettingsError("warm_up", "needs buckets")


Settings = TypeVar("Settings", bound=ProviderSettings)


class Driver(NamedTuple):
    """A provider's driver: `command` prints one line for each device; `fix` is the command to run
    when that fails, and `install` what to do when there is no driver."""

    name: str
    command: tuple[str, ...]
    fix: str
    install: str


class Plugin(NamedTuple):
    """A provider in a library beside ONNX Runtime: the package, and its module, which has
    `get_library_path()`."""

    package: str
    module: str


class ExecutionProvider(Generic[Settings]):
    """An execution provider. The defaults are those of a provider without options.

    `title` and `memory` name the provider and its memory in messages. It is compiled into an ONNX
    Runtime `package`, or comes as a `plugin` beside any; `requirement` is what pip installs, and
    `extra` the extra of fkd that does.
    """

    name: ClassVar[str]
    """What `--provider` and `provider=` call it."""
    onnx_name: ClassVar[str]
    title: ClassVar[str]
    memory: ClassVar[str]
    package: ClassVar[str] = "onnxruntime"
    plugin: ClassVar[Plugin | None] = None
    requirement: ClassVar[str]
    extra: ClassVar[str]
    systems: ClassVar[Sequence[str]] = ("Linux", "Windows")
    """Where it exists, as platform.system() names them."""
    libraries: ClassVar[Sequence[str]] = ()
    """Packages of the libraries that it loads, in the versions that fkd knows."""
    library: ClassVar[str] = ""
    """The file of a compiled-in provider beside ONNX Runtime's, without its ending."""
    system_libraries: ClassVar[Mapping[str, str]] = {}
    """A library that a driver brings, by sys.platform."""
    driver: ClassVar[Driver | None] = None
    devices: ClassVar[str] = ""
    """What `--device` accepts, for messages; empty if there is nothing to choose."""
    default_device: ClassVar[str] = ""
    """Empty if only a start tells."""
    auto_device: ClassVar[str] = ""
    """The device that "auto" tries; "" is the default one."""
    automatic: ClassVar[bool] = True
    """Whether "auto" tries it."""
    parallel_calls: ClassVar[bool] = False
    """Whether several threads gain by calling a session at once."""
    half_precision: ClassVar[bool] = False
    """Whether networks in fp16 are made for it."""
    plans_by_shape: ClassVar[bool] = True
    """Whether a size of the input that it has not seen yet takes time."""
    fixed_shapes: ClassVar[bool] = False
    """Whether it runs graphs only if all sizes are known when the session starts."""
    settings_type: type[Settings]

    def own_settings(self, settings: ProviderSettings | None) -> Settings:
        """Returns the settings if they are for this provider, otherwise its defaults.

        Raises SettingsError if the settings of another provider cannot be ignored.
        """
        if isinstance(settings, self.settings_type):
            return settings
        if settings is not None:
            settings.check_unused(self.name)
        return self.settings_type()

    def check_device(self, device: str) -> None:
        """Raises SettingsError for a name that no device of this provider has."""
        if device and not self.is_device(device):
            fix = f"name {self.devices}" if self.devices else "leave it out"
            problem = f"is {device!r}, which provider {self.name!r} does not have"
            raise SettingsError("device", problem, fix)

    def uses_threads(self, device: str) -> bool:
        """Whether a session on a device shares work between threads of the CPU."""
        return False

    def is_device(self, device: str) -> bool:
        """Whether a device of this provider may have this name, whatever this machine has."""
        return False

    def options(self, settings: Settings, device: str, cache: Path | None) -> dict[str, str]:
        """Returns the options that ONNX Runtime passes to the provider.

        `cache` is a folder for what the provider compiles, of this network, machine and ONNX
        Runtime alone; None if nothing can be written.
        """
        return {}

    def adapt(self, options: dict[str, str], settings: SessionSettings) -> dict[str, str]:
        """Returns the options with what a session's settings change."""
        return options

    def choose(
        self, devices: Sequence[onnxruntime.OrtEpDevice], device: str
    ) -> Sequence[onnxruntime.OrtEpDevice]:
        """Returns those of a plug-in's devices that a session shall run on, none if there are none
        of that name; `device` is "" for the default."""
        return devices[:1] if not device else [d for d in devices if self.device_name(d) == device]

    def device_name(self, device: onnxruntime.OrtEpDevice) -> str:
        """Returns the name of a plug-in's device."""
        return ""

    def missing_libraries(self, ort: Any) -> list[str]:
        """Loads the libraries that the provider's own needs; returns why each missing one is not
        loaded."""
        return []

    def version(self, ort: Any) -> str:
        """Returns what this ONNX Runtime was built with, empty if it does not say."""
        return ""

    def is_lost(self, error: str) -> bool:
        """Whether every later call of this process fails after an error with this text."""
        return False

    def runner(
        self, ort: Any, session: onnxruntime.InferenceSession, settings: Settings, device: str
    ) -> BatchRunner:
        """Returns the function that runs a batch."""
        if isinstance(settings, PlannedSettings):
            from fkd_infer.runtime.batches import Batches

            return Batches(session, settings.buckets)
        return lambda crops: session.run(None, {"image": crops})

    def warm_up_batches(self, settings: Settings) -> Sequence[int]:
        """Returns the sizes of the batches to run when a session starts."""
        return (
            settings.buckets if isinstance(settings, PlannedSettings) and settings.warm_up else ()
        )

    def alternatives(self, settings: Settings) -> Mapping[str, Settings]:
        """Returns settings by name that `fkd-infer tune` compares with these."""
        return {}


def is_index(device: str) -> bool:
    """Whether a device's name is a number from 0."""
    return device.isascii() and device.isdecimal()
