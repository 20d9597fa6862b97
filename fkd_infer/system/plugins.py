"""Objects that other installed packages register as entry points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from fkd_infer.errors import one_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class Named(Protocol):
    """A row of a registry."""

    @property
    def name(self) -> str:
        """The name that options use."""


T = TypeVar("T", bound=Named)

FIX = "update or uninstall the package"


class PluginError(Exception):
    """An entry point cannot be used; the text names it, its package and the reason, in one line."""


def plugin_names(group: str) -> list[str]:
    """Returns the names that installed packages register in a group, sorted."""
    from importlib.metadata import entry_points

    return sorted({entry.name for entry in entry_points(group=group)})


def load_plugin(group: str, name: str, kind: type[T]) -> T | None:
    """Returns what an installed package registers under a name, or None if no package does.

    Raises PluginError if several packages register the name, if loading it fails, if it is no
    instance of `kind`, or if it has another name.
    """
    from importlib.metadata import entry_points  # not needed for --help, and slow to import

    found = list(entry_points(group=group, name=name))
    if not found:
        return None
    if len(found) > 1:
        packages = " and ".join(sorted(_package(entry) for entry in found))
        raise PluginError(f"{packages} both register {name!r} in {group}")
    (entry,) = found
    try:
        plugin = entry.load()
    except (Exception, SystemExit) as error:
        # A package may raise anything on import.
        raise PluginError(f"{_described(entry)} does not load: {one_line(error)}") from error
    if not isinstance(plugin, kind):
        got = type(plugin).__name__
        raise PluginError(f"{_described(entry)} is of type {got}, not {kind.__name__}")
    if plugin.name != name:
        raise PluginError(f"{_described(entry)} is named {plugin.name!r}")
    return plugin


def _described(entry: EntryPoint) -> str:
    return f"entry point {entry.name!r} in {entry.group} of {_package(entry)} ({entry.value})"


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"
