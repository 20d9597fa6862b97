"""The page of the Python API has every public name once, and every field of a public class."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from repo_paths import DOCS, ROOT

import fkd_infer

TEXT = (DOCS / "reference" / "api.md").read_text("utf-8")
BLOCK = re.compile(r"(?m)^::: (?P<name>\S+)\n(?P<options>(?:    .*\n)*)")


def blocks() -> Iterator[tuple[str, list[str] | None]]:
    """Each `:::` block's object, and the members that it is limited to."""
    for found in BLOCK.finditer(TEXT):
        options = (yaml.safe_load(found["options"]) or {}).get("options", {})
        yield found["name"], options.get("members")


NAMES = [name for name, _ in blocks()]
MEMBERS = dict(blocks())


@cache
def described(package: str) -> Any:
    """A package as mkdocstrings reads it."""
    griffe = pytest.importorskip("griffe", reason="needs what builds the site")
    return griffe.load(package, search_paths=[ROOT])


def fields_of(public: object) -> list[str]:
    if dataclasses.is_dataclass(public):
        return [field.name for field in dataclasses.fields(public)]
    return list(getattr(public, "_fields", ()))


@pytest.mark.parametrize("name", fkd_infer.__all__)
def test_the_page_has_every_public_name_once(name: str) -> None:
    assert NAMES.count(f"fkd_infer.{name}") == 1


@pytest.mark.parametrize("name", NAMES)
def test_what_the_page_names_exists_and_says_what_it_is(name: str) -> None:
    package, _, rest = name.partition(".")
    found = described(package)[rest]
    assert found.docstring
    for member in MEMBERS[name] or []:
        assert found.all_members[member].docstring, member


@pytest.mark.parametrize("name", fkd_infer.__all__)
def test_every_field_of_a_public_class_is_described_on_the_page(name: str) -> None:
    public = getattr(fkd_infer, name)
    shown = MEMBERS[f"fkd_infer.{name}"]
    for field in fields_of(public):
        assert described("fkd_infer")[name].all_members[field].docstring, field
        assert shown is None or field in shown


def test_the_page_has_every_error() -> None:
    assert MEMBERS["fkd_infer.errors"] is None
    assert MEMBERS["fkd_train.errors"] is None
    for _, kind in inspect.getmembers(fkd_infer.errors, inspect.isclass):
        if issubclass(kind, fkd_infer.FkdError):
            assert f"{kind.__name__}" in (fkd_infer.errors.__doc__ or ""), "the tree of errors"
