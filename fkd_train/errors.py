"""Every error that a user of the trainer can cause and mend.

FkdError (from `fkd_infer.errors`)
    DatasetError (ValueError)
    RecipeError (ValueError)
    RunError (ValueError)
    DivergedError (FloatingPointError)
    BatchError (RuntimeError)
    TrainingMemoryError (MemoryError)
    PeerError (RuntimeError)
    VerificationError (RuntimeError)
    TritonConfigError (ValueError)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fkd_infer.errors import FkdError


class DatasetError(FkdError, ValueError):
    """A data set has bad rows: all of them are reported, and nothing is trained."""

    def __init__(self, where: str | Path, problems: Sequence[str], fix: str | None = None) -> None:
        if len(problems) == 1:
            super().__init__(where, problems[0], fix)
            return
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(where, f"{len(problems)} problems, nothing was read:{lines}", fix)


class RecipeError(FkdError, ValueError):
    """A training recipe has an unknown name, field or value."""

    def __init__(self, recipe: str | Path, why: str, fix: str | None = None) -> None:
        super().__init__(f"recipe {recipe}", why, fix)


class RunError(FkdError, ValueError):
    """A run folder, checkpoint or measurement cannot be used as asked."""


class DivergedError(FkdError, FloatingPointError):
    """A training produced values that are not finite; what was saved before is good."""

    def __init__(self, run: str | Path, where: str, what: str, saved: str) -> None:
        fix = (
            "go on with --resume --force and a lower learning rate (--set optimizer.lr=…), or "
            "train anew with another --seed"
        )
        super().__init__(run, f"the training diverged in {where}: {what}; {saved}", fix)


class BatchError(FkdError, RuntimeError):
    """A training gets no more batches: a loader's process was killed, or failed."""

    def __init__(self, run: str | Path, what: str) -> None:
        fix = (
            "where memory ran out, take fewer --workers (0 needs least); --resume goes on from "
            "what was saved"
        )
        super().__init__(run, f"the next batch could not be made: {what}", fix)


class TrainingMemoryError(FkdError, MemoryError):
    """A training step does not fit into memory."""

    def __init__(self, run: str | Path, device: str, batch: int) -> None:
        place = "this machine" if device == "cpu" else "the GPU"
        fix = (
            "end what else fills it, or train anew with a smaller --set batch=…; --resume goes on "
            "from what was saved"
        )
        super().__init__(
            run, f"{place} has not enough free memory for a step of {batch} images", fix
        )


class PeerError(FkdError, RuntimeError):
    """A process of a run of several stops because another one failed."""

    def __init__(self, run: str | Path) -> None:
        super().__init__(run, "stopped with another process of this run, which says why")


class VerificationError(FkdError, RuntimeError):
    """An exported network is not as right as it has to be, and no file is written."""

    @classmethod
    def of_difference(cls, out: str | Path, report: str) -> VerificationError:
        """For a network that does not compute what its checkpoint computes."""
        return cls(out, f"not written, the exported network differs: {report}")

    @classmethod
    def of_pass(cls, step: str, why: str) -> VerificationError:
        """For a rewrite of the graph that did not leave it as it has to be."""
        return cls("", f"nothing was written: after the pass {step!r}, {why}")

    @classmethod
    def of_budget(cls, out: str | Path, variant: str, why: str) -> VerificationError:
        """For a variant that was asked for and loses too much."""
        fix = "allow more with --max-nme-increase, or let --optimize auto keep what is"
        return cls(out, f"nothing was written, {variant} is not right enough: {why}", fix)


class TritonConfigError(FkdError, ValueError):
    """A configuration does not let Triton Inference Server serve a model."""

    def __init__(self, config: str | Path, model: str | Path, why: str) -> None:
        super().__init__(config, f"does not fit {model}: {why}")
