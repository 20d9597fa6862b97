"""Options for the landmark network, which several commands have."""

from __future__ import annotations

import click

from fkd_infer.choices import DEFAULT_MODEL
from fkd_infer.cli.options.group import Decorator, NameOrPath, neutral_option
from fkd_infer.runtime.providers.registry import AUTO, provider_names

model_option: Decorator = click.option(
    "--model",
    type=NameOrPath(),
    metavar="NAME|FILE",
    default=DEFAULT_MODEL,
    show_default=True,
    help="Run this shipped model, or an .onnx file.",
)
provider_option: Decorator = neutral_option(
    "--provider",
    type=click.Choice(provider_names()),
    default=AUTO,
    show_default=True,
    help="Run networks on this provider, or fail; auto uses the first that starts.",
)


def threads_option(default: str) -> Decorator:
    """`--threads`, with a text for its default."""
    return neutral_option(
        "--threads",
        type=click.IntRange(1),
        show_default=default,
        help="Run the network in this many threads.",
    )
