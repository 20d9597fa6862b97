"""What fkd has to know about an execution provider of ONNX Runtime.

These files import nothing heavy, since `fkd-infer --help` reads the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    import onnxruntime

    from fkd_infer.geometry.arrays import Floats, Pixels

BatchRunner: TypeAlias = "Callable[[Pixels], list[Floats]]"
"""Runs a network: crops (n, size, size, channels), n > 0, → its outputs."""


class ProviderSettings:
    """Base class of settings that only one provider has."""

    __slots__ = ()

    def check_unused(self, provider: str) -> None:
        """Raises SettingsError if a session on another provider cannot ignore these settings."""


class NoSettings(ProviderSettings):
    """Settings of a provider that has none."""


Settings = TypeVar("Settings", bound=ProviderSettings)


class Driver(NamedTuple):
    """A provider's driver: `command` prints one line for each device; `fix` is the command to run
    when that fails, and `install` what to do when there is no driver."""

    name: str
    command: tuple[str, ...]
    fix: str
    install: str


class ExecutionProvider(Generic[Settings]):
    """An execution provider. The defaults are those of a provider without options.

    `title` and `memory` name the provider and its memory in messages. `package` is the ONNX
    Runtime package that has the provider, `extra` the extra of fkd that installs it.
    """

    name: ClassVar[str]
    """What `--provider` and `provider=` call it."""
    onnx_name: ClassVar[str]
    title: ClassVar[str]
    memory: ClassVar[str]
    package: ClassVar[str]
    extra: ClassVar[str]
    libraries: ClassVar[Sequence[str]] = ()
    """Packages of the libraries that it loads, in the versions that fkd knows."""
    driver: ClassVar[Driver | None] = None
    parallel_calls: ClassVar[bool] = False
    """Whether several threads gain by calling a session at once."""
    tunable: ClassVar[bool] = False
    """Whether profiles of `fkd-infer tune` hold for it."""
    half_precision: ClassVar[bool] = False
    """Whether networks in fp16 are made for it."""
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

    def options(self, settings: Settings) -> dict[str, str]:
        """Returns the options that ONNX Runtime passes to the provider."""
        return {}

    def preload(self, ort: Any) -> list[str]:
        """Loads the provider's libraries; returns why each missing one is not loaded."""
        return []

    def version(self, ort: Any) -> str:
        """Returns what this ONNX Runtime was built with, empty if it does not say."""
        return ""

    def is_lost(self, error: str) -> bool:
        """Whether every later call of this process fails after an error with this text."""
        return False

    def runner(
        self, ort: Any, session: onnxruntime.InferenceSession, settings: Settings
    ) -> BatchRunner:
        """Returns the function that runs a batch."""
        return lambda crops: session.run(None, {"image": crops})

    def warm_up_batches(self, settings: Settings) -> Sequence[int]:
        """Returns the sizes of the batches to run when a session starts."""
        return ()
