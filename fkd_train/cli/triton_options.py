"""Options of fkd-export for Triton Inference Server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from fkd_infer.cli.options.group import PATH, Decorator, group
from fkd_train.choices import TENSORRT_PRECISIONS, TRITON_DEVICES, TensorRtPrecision, TritonDevice
from fkd_train.export.triton.serving import Serving, TensorRt


@dataclass(frozen=True)
class TritonTarget:
    """The model repository to add files to, if any, and how the server is to run them."""

    repository: Path | None
    device: TritonDevice
    tensorrt: TensorRtPrecision | None
    engine_cache: str | None

    def __post_init__(self) -> None:
        """Raises UsageError for options that do not go together."""
        gpu = self.device == "gpu"
        for option, value, needed, has in (
            ("--triton-device gpu", gpu, "--triton REPO", self.repository),
            ("--triton-tensorrt", self.tensorrt, "--triton-device gpu", gpu),
            ("--triton-engine-cache", self.engine_cache, "--triton-tensorrt", self.tensorrt),
        ):
            if value and not has:
                raise click.UsageError(f"{option} needs {needed}")

    def serving(self) -> Serving:
        """Returns how the server is to run the files."""
        if self.tensorrt is None:
            return Serving(gpu=self.device == "gpu")
        return Serving(gpu=True, tensorrt=TensorRt(self.tensorrt, engine_cache=self.engine_cache))

    def add(self, files: Sequence[Path]) -> list[Path]:
        """Adds files to the repository; returns the folders of their versions."""
        if self.repository is None:
            return []
        from fkd_train.export.triton.repository import write_repository

        return write_repository(self.repository, files, self.serving())


def triton_options() -> Decorator:
    """Adds the options; the command receives them as `triton`."""
    return group(
        "triton",
        TritonTarget,
        "Triton Inference Server",
        repository=click.option(
            "--triton",
            "repository",
            type=PATH,
            help="Also add the files to this Triton model repository.",
        ),
        device=click.option(
            "--triton-device",
            "device",
            type=click.Choice(TRITON_DEVICES),
            default="cpu",
            show_default=True,
            help="What the server runs them on; gpu is CUDA.",
        ),
        tensorrt=click.option(
            "--triton-tensorrt",
            "tensorrt",
            type=click.Choice(TENSORRT_PRECISIONS),
            help="With --triton-device gpu, have the server run them by TensorRT, in this "
            "precision.",
        ),
        engine_cache=click.option(
            "--triton-engine-cache",
            "engine_cache",
            metavar="DIR",
            help="With --triton-tensorrt, a folder of the server's that keeps TensorRT's engines "
            "between its starts.",
        ),
    )
