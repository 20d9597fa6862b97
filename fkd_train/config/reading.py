"""Reads recipe files, and validates their content."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from fkd_infer.system.files.text_checks import file_name_problem, short_repr
from fkd_train.errors import RecipeError

_MAX_REPORTED = 40
"""Wrong fields that an error names."""
T = TypeVar("T")


def shipped_recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    shipped = files("fkd_train") / "recipes"
    return sorted(Path(f.name).stem for f in shipped.iterdir() if f.name.endswith(".toml"))


def read_recipe_table(name: str) -> dict[str, Any]:
    """Reads a shipped recipe by its name, or any TOML file by its path, without validation.

    Raises RecipeError for an unknown name and for a file that is not TOML.
    """
    shipped = files("fkd_train") / "recipes" / f"{name}.toml"
    path = Path(name)
    try:
        file = path if path.suffix == ".toml" else shipped
        text = file.read_text("utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        fix = f"there are: {', '.join(shipped_recipe_names())}; or name a TOML file"
        raise RecipeError(name, "no such recipe", fix) from error
    except ValueError as error:  # not TOML, not UTF-8, or numbers with thousands of digits
        raise RecipeError(name, f"not a TOML file: {error}") from error
    except RecursionError as error:
        raise RecipeError(name, "not a TOML file: nested too deeply") from error
    return {"name": path.stem, **table}


def validate(kind: TypeAdapter[T], table: dict[str, object]) -> T:
    """Builds a recipe from plain data; raises RecipeError that names every wrong field."""
    try:
        return kind.validate_python(table)
    except ValidationError as error:
        problems = error.errors()
        described = "; ".join(map(_describe, problems[:_MAX_REPORTED]))
        more = len(problems) - _MAX_REPORTED
        name = str(table.get("name", "?"))
        name = "?" if file_name_problem(name) else name
        problem = f"{described}; and {more} more" if more > 0 else described
        raise RecipeError(name, problem) from error


def _describe(error: ErrorDetails) -> str:
    field = ".".join(str(part) for part in error["loc"])
    if isinstance(error["input"], str | int | float):
        field += f" = {short_repr(error['input'])}"
    return f"{field}: {error['msg']}" if field else error["msg"]
