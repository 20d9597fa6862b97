"""Options for the networks and what they run on, which several commands have."""

from __future__ import annotations

from dataclasses import dataclass, replace

import click

from fkd_infer.choices import DEFAULT_MODEL
from fkd_infer.cli.options.group import Decorator, NameOrPath, group, neutral_option
from fkd_infer.errors import SettingsError
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.providers.options import parse_settings
from fkd_infer.runtime.providers.registry import AUTO, find_provider, provider_names

model_option: Decorator = click.option(
    "--model",
    type=NameOrPath(),
    metavar="NAME|FILE",
    default=DEFAULT_MODEL,
    show_default=True,
    help="Place points with this shipped model, or an .onnx file from fkd-export.",
)


class ProviderName(click.ParamType[ProviderChoice]):
    """A provider by name, perhaps with a device: `cuda:1`."""

    name = "provider"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> ProviderChoice:
        """The choice; fails with one line for an unknown provider or device."""
        try:
            return ProviderChoice.of(value)
        except SettingsError as error:
            self.fail(str(error), param, ctx)


@dataclass(frozen=True)
class ProviderOptions:
    """What the networks run on."""

    provider: ProviderChoice
    device: str | None
    settings: tuple[str, ...]
    allow_fallback: bool
    detector_provider: ProviderChoice | None

    def __post_init__(self) -> None:
        if self.provider.name == AUTO and (self.device or self.settings):
            option = "--device" if self.device else "--provider-option"
            raise click.UsageError(f"{option} needs a --provider by name, such as cuda")
        if self.device and self.provider.device not in ("", self.device.upper()):
            raise click.UsageError(f"--provider {self.provider} and --device {self.device} differ")
        try:
            self.landmarks()
        except SettingsError as error:
            raise click.UsageError(str(error)) from error

    def landmarks(self) -> ProviderChoice:
        """What the landmark network runs on; raises SettingsError for a wrong setting."""
        name = self.provider.name
        settings = None
        if self.settings:
            settings = parse_settings(find_provider(name).settings_type, name, self.settings)
        device = (self.device or self.provider.device).upper()
        return ProviderChoice(name, device, settings, self.allow_fallback)

    def detector(self) -> ProviderChoice | None:
        """What the detector runs on, if it is something else."""
        if self.detector_provider is None:
            return None
        return replace(self.detector_provider, allow_fallback=self.allow_fallback)


provider_options = group(
    "providers",
    ProviderOptions,
    "Providers",
    provider=neutral_option(
        "--provider",
        type=ProviderName(),
        metavar=f"[{'|'.join(provider_names())}]",
        default=AUTO,
        show_default=True,
        help="Run networks on this, wholly, or fail; auto: on the first that proves itself.",
    ),
    device=neutral_option(
        "--device",
        metavar="NAME",
        help="Use this device of the --provider, such as 1 or GPU; also cuda:1, openvino:GPU.",
    ),
    settings=neutral_option(
        "--provider-option",
        "settings",
        metavar="KEY=VALUE",
        multiple=True,
        help="Set an option of the --provider, such as tf32=off; repeatable.",
    ),
    allow_fallback=neutral_option(
        "--allow-fallback",
        is_flag=True,
        help="Let the CPU run what the --provider cannot, and say what that is.",
    ),
    detector_provider=neutral_option(
        "--detector-provider",
        type=ProviderName(),
        metavar="NAME",
        show_default="as --provider",
        help="Run the detector on another provider than the landmark network.",
    ),
)
"""Adds `providers`: what the networks run on."""


def threads_option(default: str) -> Decorator:
    """`--threads`, with a text for its default."""
    return neutral_option(
        "--threads",
        type=click.IntRange(1),
        show_default=default,
        help="Run the landmark network in this many threads; overrides what was tuned.",
    )
