"""Types of options."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.live import main as live
from fkd_infer.cli.main import main as infer
from fkd_infer.cli.options.group import FiniteRange, group, section, section_of
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


def test_help_lists_the_sections_of_options_in_order() -> None:
    lines = CliRunner().invoke(infer, ["--help"]).output.splitlines()
    titles = [line for line in lines if line.endswith(":") and line[0].isupper()]
    assert titles[:3] == ["Outputs:", "Drawing:", "Faces and points:"]
    assert titles[-3:] == ["The run:", "Options:", "Other commands:"]
    at = lines.index("Drawing:")
    assert lines[at + 1].split()[0] == "--draw"


def test_a_section_keeps_the_order_of_its_options_and_of_others() -> None:
    @click.command(cls=FkdCommand)
    @click.option("--before", help="Before.")
    @group("both", dict, "Both", first=click.option("--first"), second=click.option("--second"))
    @section("One", click.option("--third"))
    @click.option("--after", help="After.")
    def command(both: dict[str, str], before: str, third: str, after: str) -> None:
        click.echo(both["first"] + both["second"] + third)

    options = [(each.opts[0], section_of(each)) for each in command.params]
    assert options == [
        ("--before", ""),
        ("--first", "Both"),
        ("--second", "Both"),
        ("--third", "One"),
        ("--after", ""),
    ]
    done = CliRunner().invoke(command, ["--first", "1", "--second", "2", "--third", "3"])
    assert done.output == "123\n"
