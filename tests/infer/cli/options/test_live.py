"""Options of fkd-infer live."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from fkd_infer.choices import DEFAULT_DRAW_LAYERS
from fkd_infer.cli.options.live import AddressOptions, ViewOptions, address_options, view_options


def view(*arguments: str) -> ViewOptions:
    """The options that a command receives."""
    parsed: list[ViewOptions] = []

    @click.command()
    @view_options
    def command(view: ViewOptions) -> None:
        parsed.append(view)

    CliRunner().invoke(command, arguments, catch_exceptions=False)
    (options,) = parsed
    return options


@pytest.mark.parametrize(
    ("arguments", "layers"),
    [
        ((), DEFAULT_DRAW_LAYERS),
        (("--filter", "sunglasses"), ()),
        (("--filter", "sunglasses", "--draw", "box"), ("box",)),
        (("--draw", "box"), ("box",)),
    ],
)
def test_a_filter_is_drawn_alone_unless_layers_are_asked_for(
    arguments: tuple[str, ...], layers: tuple[str, ...]
) -> None:
    options = view(*arguments)
    assert options.settings(options.filters).layers == layers


@pytest.mark.parametrize(
    ("arguments", "offered"),
    [
        ((), True),
        (("--no-cameras",), False),
        (("--host", "0.0.0.0"), False),
        (("--host", "0.0.0.0", "--cameras"), True),
    ],
)
def test_other_machines_are_offered_cameras_only_if_that_is_asked_for(
    arguments: tuple[str, ...], offered: bool
) -> None:
    parsed: list[AddressOptions] = []

    @click.command()
    @address_options
    def command(address: AddressOptions) -> None:
        parsed.append(address)

    CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert parsed[0].offers_cameras is offered
