"""The page of commands has each command with each of its options, whose help says what they do."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module

import click
import pytest
from repo_paths import DOCS, ROOT

from fkd_infer.cli.command import CommandWithSubcommands
from fkd_infer.runtime.providers.registry import provider_names

PAGE = DOCS / "reference" / "commands.md"
OF_ALL_COMMANDS = ("--help", "--debug", "--version")


def with_subcommands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, CommandWithSubcommands):
        for word, row in command.subcommands.items():
            yield from with_subcommands(f"{name} {word}", import_module(row.module).main)
    elif isinstance(command, click.Group):
        for word, each in command.commands.items():
            yield from with_subcommands(f"{name} {word}", each)


def all_commands() -> Iterator[tuple[str, click.Command]]:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    for name, place in scripts.items():
        module, _, attribute = place.partition(":")
        yield from with_subcommands(name, getattr(import_module(module), attribute))


COMMANDS = dict(all_commands())


@cache
def rendered_sections() -> dict[str, str]:
    """The HTML of each command on the page, up to the next command."""
    pytest.importorskip("mkdocs_click", reason="needs what builds the site")
    markdown = pytest.importorskip("markdown", reason="needs what builds the site")
    extensions = ["attr_list", "tables", "mkdocs-click", "tools.site.commands"]
    html = markdown.markdown(PAGE.read_text("utf-8"), extensions=extensions)
    parts = re.split(r'<h\d data-toc-label="[^"]+" id="[^"]+">([^<]+)</h\d>', html)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name: str) -> None:
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option):
            text = parameter.help or ""
            assert text.endswith("."), parameter.opts
            assert len(text.split()) > 2, parameter.opts


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_has_the_command_and_its_options(name: str) -> None:
    section = rendered_sections()[name]
    command = COMMANDS[name]
    assert f"{name} [OPTIONS]" in section, "its usage"
    first_sentence = (command.help or "").partition(".")[0].split()
    assert " ".join(first_sentence) in " ".join(section.split()), "its description"
    for parameter in command.params:
        for option in (*parameter.opts, *parameter.secondary_opts):
            if isinstance(parameter, click.Option) and option not in OF_ALL_COMMANDS:
                assert re.search(rf"<td>[^|]*?<code>{option}</code>", section), option


def test_the_page_says_once_what_all_commands_have() -> None:
    text = PAGE.read_text("utf-8")
    for option in ("--debug", "--version", "--help"):
        assert option in text
    assert not any(
        f"<code>{option}</code></td>" in "".join(rendered_sections().values())
        for option in OF_ALL_COMMANDS
    )


@pytest.mark.parametrize("name", ["fkd-infer", "fkd-infer live", "fkd-infer tune"])
def test_the_page_has_every_provider(name: str) -> None:
    names = ", ".join(f"<code>{each}</code>" for each in provider_names())
    assert f"<code>--provider</code><br>{names}" in rendered_sections()[name]


def test_values_defaults_and_sections_are_in_words() -> None:
    infer = rendered_sections()["fkd-infer"]
    assert "<code>--max-size</code><br>a whole number from 64" in infer
    assert "Default: <code>fkdnet</code>." in infer
    assert '<h3 id="fkd-infer-outputs">Outputs</h3>' in infer
    for unreadable in ("Sentinel", "UNSET", "INTEGER RANGE", "[[", "&amp;#124;", "N/A"):
        assert unreadable not in "".join(rendered_sections().values())
