"""Runs on a Ray cluster: sources in blocks, actors with a pipeline each, parts of a Parquet table.

`import ray` in this package is Ray itself. `faces` is imported when it is used: each process of a
cluster imports this package, and most have no use for Ray Data.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fkd_infer.ray.dataset import faces

__all__ = ["faces"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("fkd_infer.ray.dataset"), name)
