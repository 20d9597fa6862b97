"""The commands as mkdocs-click shows them: values and defaults in words, options in sections.

`::: mkdocs-click` takes a command from here, `:module: tools.site.commands`. The Markdown extension
`tools.site.commands` then splits the table of options where a section begins.
"""

from __future__ import annotations

import copy
import html
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import chain
from typing import Any

import click
from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor

from fkd_infer.cli.options.group import section_of

_MODULES = {
    "infer": "fkd_infer.cli.main",
    "live": "fkd_infer.cli.live",
    "web": "fkd_infer.cli.web",
    "tune": "fkd_infer.cli.tune",
    "doctor": "fkd_infer.cli.doctor",
    "models": "fkd_infer.cli.models",
    "filters": "fkd_infer.cli.filters",
    "train": "fkd_train.cli.train",
    "check_data": "fkd_train.cli.check_data",
    "export": "fkd_train.cli.export",
    "evaluate": "fkd_train.cli.evaluate",
}
_AFTER_MKDOCS_CLICK = 100  # its preprocessor has the priority 141
_SAID_ONCE = {"--help", "--debug", "--version"}
"""Options that the page describes at its beginning."""
_HEADING = re.compile(r"(?P<level>#+) .*\{ #(?P<anchor>\S+) ")
_ROW = re.compile(
    r"\| (?P<names>`-.*?) \| (?P<value>.*) \| \[\[(?P<title>[^]]*)\]\](?P<text>.*) \| [^|]* \|"
)
_OPTION = re.compile(r"(?<![\w`-])(--[a-z][a-z-]*)")


def __getattr__(name: str) -> click.Command:
    """A command whose options are worded for a page."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _shown(import_module(_MODULES[name]).main)


def _shown(command: click.Command) -> click.Command:
    """A copy of a command, or of a group and its commands, for mkdocs-click."""
    shown = copy.copy(command)
    if isinstance(shown, click.Group):
        shown.commands = {name: _shown(each) for name, each in shown.commands.items()}
    context = click.Context(command)
    parameters: list[click.Parameter] = []
    sections: dict[str, list[click.Parameter]] = {}
    for each in command.get_params(context):
        if not isinstance(each, click.Option):
            parameters.append(each)
        elif _SAID_ONCE.isdisjoint(each.opts):
            sections.setdefault(section_of(each), []).append(_in_words(each, context))
    parameters += chain.from_iterable(sections.values())
    shown.get_params = lambda ctx: parameters  # type: ignore[method-assign]
    return shown


def _in_words(option: click.Option, context: click.Context) -> click.Option:
    """A copy of an option whose type and help say all that a reader needs."""
    shown = copy.copy(option)
    extra = option.get_help_extra(context)
    text = _markdown(option.help or "")
    if default := extra.get("default", ""):
        words = _markdown(default.removeprefix("(").removesuffix(")"))
        text += f" Default: {words if isinstance(option.show_default, str) else f'`{default}`'}."
    if variables := extra.get("envvars"):
        text += f" The variable {', '.join(f'`{name}`' for name in variables)} also sets it."
    if option.required:
        text += " Required."
    shown.help = f"[[{section_of(option)}]]{text}"
    shown.type = click.types.StringParamType()
    shown.type.name = _value(option, context)
    shown.default, shown.required = "", False
    return shown


def _value(option: click.Option, context: click.Context) -> str:
    """What an option takes, in Markdown; empty for a flag."""
    kind = option.type
    if option.is_flag or option.count:
        return ""
    if option.metavar and "|" in option.metavar:
        return ", ".join(f"`{each}`" for each in option.metavar.strip("[],.").split("|"))
    if option.metavar:
        return f"`{option.metavar}`"
    if isinstance(kind, click.Choice):
        return ", ".join(f"`{choice}`" for choice in kind.choices)
    if isinstance(kind, click.IntRange | click.FloatRange):
        noun = "a whole number" if isinstance(kind, click.IntRange) else "a number"
        return f"{noun}{_range(kind)}"
    return f"`{option.make_metavar(context)}`"


def _range(kind: click.IntRange | click.FloatRange) -> str:
    """The limits of a number, as words to follow it."""
    low, high = kind.min, kind.max
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is not None:
        return f" above {low}" if kind.min_open else f" from {low}"
    return ""


def _markdown(text: str) -> str:
    """A text of `--help` in Markdown: options in code, and no character that means something."""
    return _OPTION.sub(r"`\1`", _cell(text).replace("*", r"\*").replace("_", r"\_"))


def _cell(text: str) -> str:
    """A text for a cell of a table."""
    return html.escape(text, quote=False).replace("|", "&#124;")


class _Sections(Preprocessor):
    """Gives each section of a command's options a heading and a table of its own."""

    def run(self, lines: list[str]) -> list[str]:
        return list(_split(lines))


def _split(lines: Iterable[str]) -> Iterator[str]:
    anchor, level, section = "", "", None
    for line in lines:
        if heading := _HEADING.match(line):
            anchor, level, section = heading["anchor"], heading["level"], None
        if row := _ROW.fullmatch(line):
            if row["title"] != section:
                section = row["title"]
                yield from _table_head(section, anchor, level)
            value = f"<br>{row['value']}" if row["value"] else ""
            yield f"| {row['names']}{value} | {row['text']} |"
        elif line != "**Options:**" and not line.startswith(("| Name | Type |", "| ---- | ----")):
            yield line


def _table_head(title: str, anchor: str, above: str) -> Iterator[str]:
    name = title or "Options"
    slug = name.lower().replace(" ", "-")
    yield from ("", f"{above}# {name} {{ #{anchor}-{slug} }}", "")
    yield from ("| Option | Meaning |", "| --- | --- |")


class _SectionsExtension(Extension):
    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        md.preprocessors.register(_Sections(md), "fkd-sections", _AFTER_MKDOCS_CLICK)


def makeExtension(**options: Any) -> Extension:  # noqa: N802
    """The extension, as Python-Markdown looks for it."""
    return _SectionsExtension(**options)
