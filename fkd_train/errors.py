"""Every error that a user of the trainer can cause and fix.

FkdError (from `fkd_infer.errors`)
    DatasetError (ValueError)
    RecipeError (ValueError)
    NetworkError (ValueError)
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
    """A data set has bad rows; all of them are reported, and training does not start."""

    def __init__(self, where: str | Path, problems: Sequence[str], fix: str | None = None) -> None:
        if len(problems) == 1:
            super().__init__(where, problems[0], fix)
            return
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(where, f"{len(problems)} problems, nothing was read:{lines}", fix)


class RecipeError(FkdError, ValueError):
    """A training recipe has an unknown name, field or value."""

    def __init__(self, recipe: str | Path, problem: str, fix: str | None = None) -> None:
        super().__init__(f"recipe {recipe}", problem, fix)


class NetworkError(FkdError, ValueError):
    """A network cannot be built by its name, does not give what is expected of it, or cannot be
    exported."""


class RunError(FkdError, ValueError):
    """A run folder, checkpoint or measurement cannot be used as requested."""


class DivergedError(FkdError, FloatingPointError):
    """Training produced values that are not finite; earlier checkpoints are intact."""

    def __init__(self, run: str | Path, where: str, what: str, saved: str) -> None:
        fix = (
            "resume with --resume --force and a lower learning rate (--set optimizer.lr=…), or "
            "start again with another --seed"
        )
        super().__init__(run, f"the training diverged in {where}: {what}; {saved}", fix)


class BatchError(FkdError, RuntimeError):
    """A batch cannot be loaded: a loader's worker was killed, or failed."""

    def __init__(self, run: str | Path, what: str) -> None:
        fix = (
            "if memory ran out, use fewer --workers (0 needs the least); --resume continues from "
            "the last checkpoint"
        )
        super().__init__(run, f"the next batch could not be loaded: {what}", fix)


class TrainingMemoryError(FkdError, MemoryError):
    """A training step does not fit into memory."""

    def __init__(self, run: str | Path, device: str, batch: int) -> None:
        place = "this machine" if device == "cpu" else "the GPU"
        fix = (
            "end other programs that use it, or start again with a smaller --set batch=…; "
            "--resume continues from the last checkpoint"
        )
        super().__init__(
            run, f"{place} has not enough free memory for a step of {batch} images", fix
        )


class PeerError(FkdError, RuntimeError):
    """A process of a run of several stops because another one failed or is lost."""

    def __init__(self, run: str | Path, failed: str) -> None:
        super().__init__(run, f"stopped because {failed}")

    @classmethod
    def of_start(cls, run: str | Path, why: str) -> PeerError:
        """For processes that do not find each other."""
        fix = (
            "start as many as stated, on every machine, with the address and port of the first one"
        )
        return cls(run, f"the processes of this run did not find each other ({why}); {fix}")

    @classmethod
    def of_loss(cls, run: str | Path) -> PeerError:
        """For a process that ended without a word."""
        fix = "see its own output; --resume on every machine continues from the last checkpoint"
        return cls(run, f"another process of this run ended, or cannot be reached; {fix}")

    @classmethod
    def of_silence(cls, run: str | Path, timeout: float) -> PeerError:
        """For a process that did not answer within `timeout` seconds."""
        fix = (
            "--resume on every machine continues from the last checkpoint, and --peer-timeout "
            "sets how long they wait for each other"
        )
        return cls(run, f"another process of this run did not answer for {timeout:g} s; {fix}")


class VerificationError(FkdError, RuntimeError):
    """An exported network is not accurate enough, and no file is written."""

    @classmethod
    def of_difference(cls, out: str | Path, report: str) -> VerificationError:
        """For a network whose outputs differ from its checkpoint's."""
        return cls(out, f"not written, the exported network differs: {report}")

    @classmethod
    def of_pass(cls, step: str, why: str) -> VerificationError:
        """For a graph that a rewrite left invalid."""
        return cls("", f"nothing was written: after the pass {step!r}, {why}")

    @classmethod
    def of_budget(cls, out: str | Path, variant: str, why: str) -> VerificationError:
        """For a requested variant that loses too much accuracy."""
        fix = "allow more with --max-nme-increase, or let --optimize auto select variants"
        return cls(out, f"nothing was written, {variant} is not accurate enough: {why}", fix)


class TritonConfigError(FkdError, ValueError):
    """A configuration does not let Triton Inference Server serve a model."""

    def __init__(self, config: str | Path, model: str | Path, why: str) -> None:
        super().__init__(config, f"does not fit {model}: {why}")
