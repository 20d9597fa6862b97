"""Runs on a Ray cluster: sources in blocks, actors with a pipeline each, parts of a Parquet table.

`import ray` in this package is Ray itself.
"""

from fkd_infer.ray.dataset import faces

__all__ = ["faces"]
