"""Types of options."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from fkd_infer.cli.live import main as live
from fkd_infer.cli.main import main as infer
from fkd_infer.cli.options.group import FiniteRange
from fkd_infer.cli.tune import main as tune

NUMBERS = [
    (command, option.opts[0])
    for command in (infer, live, tune)
    for option in command.params
    if isinstance(option.type, click.FloatRange)
]


@pytest.mark.parametrize("text", ["nan", "inf"])
@pytest.mark.parametrize(
    ("command", "option"), NUMBERS, ids=lambda value: getattr(value, "name", value)
)
def test_numbers_have_to_be_finite(command: click.Command, option: str, text: str) -> None:
    source = [] if command is tune else ["a.mp4"]
    result = CliRunner().invoke(command, [*source, option, text])
    assert result.exit_code == 2
    last = result.output.strip().splitlines()[-1]
    assert last.startswith(f"Error: Invalid value for '{option}'")
    assert "is not a finite number" in last or "is not in the range" in last


def test_every_range_of_numbers_is_finite() -> None:
    types = [
        option.type for command, name in NUMBERS for option in command.params if name in option.opts
    ]
    assert all(isinstance(kind, FiniteRange) for kind in types)
