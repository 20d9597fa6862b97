"""What a session is asked to run on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from fkd_infer.errors import SettingsError
from fkd_infer.runtime.providers.base import ProviderSettings
from fkd_infer.runtime.providers.registry import AUTO, find_provider
from fkd_infer.system.arguments import check_fields


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """What a network runs on: a provider, which is used wholly, or the session does not start.

    Raises SettingsError for an unknown provider or device, and for settings of another provider.

    Examples:
        >>> import fkd_infer
        >>> cuda = fkd_infer.ProviderChoice("cuda", "1", fkd_infer.CudaSettings(tf32=False))
        >>> str(cuda)
        'cuda:1'
        >>> pipeline = fkd_infer.load(provider=fkd_infer.ProviderChoice("cpu"))
        >>> fkd_infer.ProviderChoice("gpu")
        Traceback (most recent call last):
        fkd_infer.errors.SettingsError: provider is 'gpu'; choose one of: auto, coreml, cpu, ...
    """

    name: str = AUTO
    """The provider's name, or "auto" for the first one that proves itself by a run."""
    device: str = ""
    """One of its devices, such as "1" or "GPU"; "" is the provider's default."""
    settings: ProviderSettings | None = None
    """Settings of the provider: an object of its own class."""
    allow_fallback: bool = False
    """Let the CPU run the nodes that the provider does not have; otherwise a session starts only if
    there are none."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.name != AUTO:
            provider = find_provider(self.name)
            provider.check_device(self.device)
            if self.settings is not None and type(self.settings) is not provider.settings_type:
                given, own = type(self.settings).__name__, provider.settings_type.__name__
                raise SettingsError("settings", f"are {given}", f"{self.name!r} takes {own}")
        elif self.device:
            problem = f"is {self.device!r}, but the provider is {AUTO!r}"
            raise SettingsError("device", problem, "name the provider too")

    @classmethod
    def of(cls, asked: str | Self) -> Self:
        """Returns the choice that "PROVIDER" or "PROVIDER:DEVICE" stands for, or the choice."""
        if not isinstance(asked, str):
            return asked
        name, _, device = asked.partition(":")
        return cls(name.lower(), device.upper())

    def __str__(self) -> str:
        return f"{self.name}:{self.device}" if self.device else self.name
