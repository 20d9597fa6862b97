"""Every error a user can cause, in one tree under FkdError.

Each class owns its message, so the wording of a problem stands here and not where
it is found; and each also is the builtin that it refines, so that code which
catches FileNotFoundError or ValueError keeps working.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


class FkdError(Exception):
    """Base of all errors that a user can mend; its text is one clear line.

    After one that `ends_run`, no other source of a run can be done either.
    """

    ends_run = False


class SourceNotFoundError(FkdError, FileNotFoundError):
    """A photo, video, folder or glob that is not there."""

    def __init__(self, source: str | Path) -> None:
        super().__init__(f"{source}: no such file, folder, glob match or camera index")


class UnreadableImageError(FkdError, ValueError):
    """A file that does not decode to an image."""

    def __init__(self, path: str | Path, why: str) -> None:
        super().__init__(f"{path}: cannot be read as an image: {why}")


class UnreadableVideoError(FkdError, ValueError):
    """A file that does not decode to a video."""

    def __init__(self, path: str | Path, why: str) -> None:
        super().__init__(f"{path}: cannot be read as a video: {why}")


class SourceFolderError(FkdError, OSError):
    """A folder that cannot be searched, or in which there is nothing to do."""

    def __init__(self, folder: str | Path, why: str) -> None:
        super().__init__(f"{folder}: {why}")


class CameraError(FkdError, OSError):
    """A camera that does not open or stops sending frames."""

    def __init__(self, index: int, problem: str = "does not open") -> None:
        super().__init__(f"camera {index}: {problem}; is it plugged in and free?")


class OutputError(FkdError, OSError):
    """A place that cannot, or must not, be written to."""

    def __init__(self, path: str | Path, why: str) -> None:
        super().__init__(f"{path}: cannot be written: {why}")


class BoxesFileError(FkdError, ValueError):
    """A --boxes file that is not what the option asks for."""

    def __init__(self, path: str | Path, line: int, why: str) -> None:
        super().__init__(f"{path}, line {line}: {why}")


class InvalidImageError(FkdError, ValueError):
    """An array that is not a frame."""

    def __init__(self, got: str) -> None:
        super().__init__(f"an image is a uint8 array of shape (height, width, 3), BGR; got {got}")


class InvalidBoxError(FkdError, ValueError):
    """Boxes of a wrong shape, not finite, or without area."""

    def __init__(self, why: str) -> None:
        super().__init__(f"boxes are (n, 4): x0, y0, x1, y1 with x1 > x0 and y1 > y0; {why}")


class ModelFileNotFoundError(FkdError, FileNotFoundError):
    """A model path, or the name of a shipped model, that is not there."""

    def __init__(self, model: str | Path, shipped: Iterable[str]) -> None:
        names = ", ".join(shipped) or "none"
        super().__init__(f"{model}: no such model file; shipped models: {names}")


class InvalidModelError(FkdError, ValueError):
    """A file that is no network of ours, that ONNX Runtime does not load, or whose inputs and
    outputs differ from its card."""

    def __init__(self, path: str | Path, why: str) -> None:
        super().__init__(f"{path}: not a usable model: {why}")


class ManifestError(FkdError, ValueError):
    """A manifest of model files that says nothing sensible."""

    def __init__(self, path: str | Path, why: str) -> None:
        super().__init__(
            f"{path}: not a usable manifest: {why}; it has a table with sha256 and bytes for each "
            "file beside it"
        )


class ModelCardError(FkdError, ValueError):
    """A model without a card, or with one that this version does not understand."""

    def __init__(self, where: str | Path, why: str) -> None:
        super().__init__(
            f"{where}: {why}; export the model with fkd-export, which writes a valid card"
        )


class WrongTaskError(FkdError, ValueError):
    """A model that does something else than it is given for."""

    def __init__(self, where: str | Path, task: object, wanted: str | None) -> None:
        option = {None: "--model", "detector": "--detector-model"}
        kinds = {None: "places points", "detector": "finds faces", "end-to-end": "does both"}
        known = task if task is None or isinstance(task, str) else ""
        does = kinds.get(known, f"has the task {task!r}")
        give = f"; it is for {option[known]}" if known in option else ""
        super().__init__(
            f"{where}: this network {does}, and one that {kinds[wanted]} is needed{give}"
        )


class ProviderError(FkdError, RuntimeError):
    """A provider that was asked for and cannot be used."""

    def __init__(self, asked: str, usable: Sequence[str], repair: str) -> None:
        has = ", ".join(usable) or "none"
        super().__init__(f"provider {asked!r} cannot be used (usable: {has}); {repair}")


class CudaSettingsError(FkdError, ValueError):
    """Options for CUDA that no session, or not this one, can have."""

    def __init__(self, why: str) -> None:
        super().__init__(f"these settings for CUDA cannot be used: {why}")


class OutOfMemoryError(FkdError, MemoryError):
    """A network that does not fit into what memory is left."""

    def __init__(self, provider: str, what: str, way_out: str = "give smaller batches") -> None:
        place = "the GPU" if provider == "cuda" else "this machine"
        super().__init__(
            f"{place} has not enough free memory {what}; end what else fills it, {way_out}"
            + (", or take provider 'cpu'" if provider == "cuda" else "")
        )


class RuntimeInstallError(FkdError, ImportError):
    """Neither ONNX Runtime package installed, or both, which overwrite each other."""

    def __init__(self, installed: Sequence[str]) -> None:
        if installed:
            both = " and ".join(installed)
            text = (
                f"{both} are both installed and overwrite each other; mend it with: "
                f"pip uninstall -y {' '.join(installed)} && pip install 'fkd[cpu]'  (or 'fkd[gpu]')"
            )
        else:
            text = (
                "ONNX Runtime is not installed; mend it with: "
                "pip install 'fkd[cpu]'  (or 'fkd[gpu]')"
            )
        super().__init__(text)


class MissingExtraError(FkdError, ImportError):
    """A package that comes with an extra which is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; mend it with: pip install 'fkd[{extra}]'")


class DetectorError(FkdError, RuntimeError):
    """A detector that this installation does not have."""

    def __init__(self, detector: str, repair: str) -> None:
        super().__init__(f"detector {detector!r} cannot be used: {repair}")


class NonFiniteOutputError(FkdError, FloatingPointError):
    """A network that answered NaN or infinity."""

    def __init__(self, model: str) -> None:
        super().__init__(f"model {model!r} gave points that are not finite; the file is broken")


class DatasetError(FkdError, ValueError):
    """A data set with bad rows: every one of them is reported, and nothing is trained."""

    def __init__(self, where: str | Path, problems: Sequence[str]) -> None:
        if len(problems) == 1:
            super().__init__(f"{where}: {problems[0]}")
        else:
            lines = "".join(f"\n  {problem}" for problem in problems)
            super().__init__(f"{where}: {len(problems)} problems, nothing was read:{lines}")


class RecipeError(FkdError, ValueError):
    """A training recipe with an unknown name, field or value."""

    def __init__(self, recipe: str | Path, why: str) -> None:
        super().__init__(f"recipe {recipe}: {why}")


class RunError(FkdError, ValueError):
    """A run folder or checkpoint that cannot be used as asked."""

    def __init__(self, path: str | Path, why: str) -> None:
        super().__init__(f"{path}: {why}")


class DivergedError(FkdError, FloatingPointError):
    """A training that has come to nothing finite; what was saved before is good."""

    def __init__(self, run: str | Path, where: str, what: str, saved: str) -> None:
        super().__init__(
            f"{run}: the training diverged in {where}: {what}; {saved}; go on with --resume "
            "--force and a lower learning rate (--set optimizer.lr=…), or train anew with another "
            "--seed"
        )


class BatchError(FkdError, RuntimeError):
    """A training that gets no more batches: a loader's process was killed, or failed."""

    def __init__(self, run: str | Path, what: str) -> None:
        super().__init__(
            f"{run}: the next batch could not be made: {what}; where memory ran out, take fewer "
            "--workers (0 needs least); --resume goes on from what was saved"
        )


class TrainingMemoryError(FkdError, MemoryError):
    """A training step that does not fit into memory."""

    def __init__(self, run: str | Path, device: str, batch: int) -> None:
        place = "this machine" if device == "cpu" else "the GPU"
        super().__init__(
            f"{run}: {place} has not enough free memory for a step of {batch} images; end what "
            "else fills it, or train anew with a smaller --set batch=…; --resume goes on from what "
            "was saved"
        )


class PeerError(FkdError, RuntimeError):
    """A process of a run of several that stops because another one failed."""

    def __init__(self, run: str | Path) -> None:
        super().__init__(f"{run}: stopped with another process of this run, which says why")


class VerificationError(FkdError, RuntimeError):
    """An exported network that does not compute what the checkpoint computes."""

    def __init__(self, out: str | Path, report: str) -> None:
        super().__init__(f"{out}: not written, the exported network differs: {report}")


class TritonConfigError(FkdError, ValueError):
    """A configuration with which Triton Inference Server would not serve a model."""

    def __init__(self, config: str | Path, model: str | Path, why: str) -> None:
        super().__init__(f"{config}: does not fit {model}: {why}")


class SearchError(FkdError, ValueError):
    """A size or score that frames cannot be searched with."""

    def __init__(self, why: str) -> None:
        super().__init__(f"faces cannot be searched for so: {why}")


class DownloadError(FkdError, OSError):
    """A file that could not be fetched, or is not the one that was wanted."""

    def __init__(self, url: str, why: str, way_out: str) -> None:
        super().__init__(f"{url}: {why}; {way_out}")


class SettingsError(FkdError, ValueError):
    """Options that no session can have."""

    def __init__(self, threads: int) -> None:
        super().__init__(f"a network runs on one thread or more, not on {threads}")


class ContenderError(FkdError, RuntimeError):
    """A program that was to be timed and ended early."""

    def __init__(self, name: str, said: str) -> None:
        super().__init__(f"{name} could not be timed: {said}")


class GraphPassError(FkdError, RuntimeError):
    """A rewrite of an exported graph that did not leave it as it has to be."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(f"nothing was written: after the pass {step!r}, {why}")


class BudgetError(FkdError, RuntimeError):
    """A variant that was asked for and is not right enough."""

    def __init__(self, out: str | Path, variant: str, why: str) -> None:
        super().__init__(
            f"{out}: nothing was written, {variant} is not right enough: {why}; allow more with "
            "--max-nme-increase, or let --optimize auto keep what is"
        )


class UnknownFilterError(FkdError, FileNotFoundError):
    """A filter that is neither built in nor a folder."""

    def __init__(self, asked: str, builtin: Sequence[str]) -> None:
        super().__init__(
            f"filter {asked!r}: neither a folder with a filter.json nor built in; "
            f"there are: {', '.join(builtin)}"
        )


class FilterPackError(FkdError, ValueError):
    """A filter's folder with a file that is missing or not what it has to be."""

    def __init__(self, path: str | Path, why: str) -> None:
        super().__init__(f"{path}: not a usable filter: {why}")


class FilterSchemeError(FkdError, ValueError):
    """A filter drawn for other points than a network places."""

    def __init__(self, name: str, wants: str, got: str) -> None:
        super().__init__(
            f"filter {name!r} is drawn for the landmark scheme {wants!r}, but the model has "
            f"{got!r}; take a model of {wants!r}, or leave the filter out"
        )


class LiveAddressError(FkdError, OSError):
    """An address at which no live page can be served."""

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(
            f"{host} port {port} cannot be used: {why}; give another --port, or --port 0 for any"
        )


class LiveSourceError(FkdError, ValueError):
    """Something that does not move, or several things, to be shown as they run."""

    def __init__(self, source: str, why: str) -> None:
        super().__init__(f"{source}: {why}; live takes one camera or video")


class LiveFailedError(FkdError, RuntimeError):
    """A live page that cannot go on, for a reason that nobody foresaw."""

    def __init__(self, what: str, error: BaseException) -> None:
        lines = str(error).splitlines() or [""]
        why = f"{type(error).__name__}: {lines[0]}".removesuffix(": ")
        super().__init__(f"{what} failed: {why}; the same with --debug shows where")


class LiveEmptyError(FkdError, ValueError):
    """A source that opens, and has no frame to show."""

    def __init__(self) -> None:
        super().__init__("the source gave no frame; does it play elsewhere?")


class WindowError(FkdError, RuntimeError):
    """A preview where no window can be opened."""

    def __init__(self, why: str) -> None:
        super().__init__(f"no window can be opened: {why}")


class NoFaceError(FkdError, ValueError):
    """A picture in which a face was needed and none was found."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: no face was found in it; take one with a face that is seen well")


class StoppedError(FkdError, OSError):
    """A source that was to go on and did not; what came before is good, and is kept."""


class LimitError(FkdError, ValueError):
    """A source that is larger than what is allowed."""

    def __init__(self, source: str | Path, why: str, option: str) -> None:
        super().__init__(f"{source}: {why}; if it is meant to be so large, raise {option}")


class LimitStoppedError(LimitError, StoppedError):
    """A source that went on for longer than what is allowed."""


class SourceMemoryError(FkdError, MemoryError):
    """A source for which there was not enough memory."""

    def __init__(self, source: str | Path) -> None:
        super().__init__(
            f"{source}: there was not enough free memory for it; --workers 1 takes less at once"
        )


class UnexpectedError(FkdError, RuntimeError):
    """A fault of fkd or of a library, not of the user's."""

    def __init__(self, source: str | Path, error: BaseException) -> None:
        text = " ".join(str(error).split()) or "no reason given"
        super().__init__(f"{source}: failed unexpectedly: {type(error).__name__}: {text}")


class RunEndedError(FkdError):
    """What goes on for no source of a run; what was done before is kept."""

    def __init__(self, cause: FkdError) -> None:
        super().__init__(
            f"{cause}; the run ended there: what was done is kept, and the same command with "
            "--resume does the rest"
        )


class DeviceLostError(FkdError, RuntimeError):
    """A GPU that answers nothing any more, whatever it is asked."""

    ends_run = True

    def __init__(self, provider: str, why: str) -> None:
        super().__init__(f"{provider} stopped working: {why}")


class InferenceError(FkdError, RuntimeError):
    """A network that ONNX Runtime loaded and did not run."""

    def __init__(self, model: str | Path, what: str, why: str) -> None:
        super().__init__(f"{model}: could not be run {what}: {why}")


class ResumeError(FkdError, ValueError):
    """A run that cannot be gone on with as asked."""

    def __init__(self, place: str | Path, why: str) -> None:
        super().__init__(f"{place}: {why}")


class StreamError(FkdError, OSError):
    """A stream from the network that does not open or shows nothing."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}; is the address right and the sender on?")


class StreamStoppedError(StoppedError):
    """A stream that stopped."""

    def __init__(self, name: str, frames: int, why: str) -> None:
        super().__init__(f"{name}: the stream stopped after {frames} frames: {why}")


class CameraStoppedError(CameraError, StoppedError):
    """A camera that stopped sending frames."""

    def __init__(self, index: int) -> None:
        super().__init__(index, "sends no more frames")
