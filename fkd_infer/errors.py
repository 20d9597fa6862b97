"""Every error that a user of the runtime can cause and mend.

A class stands for a kind of problem that a caller may want to catch. Each class is also the builtin
that it refines, so code that catches FileNotFoundError or ValueError catches it too:

    FkdError
        SourceNotFoundError (FileNotFoundError)
        SourceFolderError (OSError)
        UnreadableImageError (ValueError)
        UnreadableVideoError (ValueError)
        CameraError (OSError)
        StreamError (OSError)
        StoppedError (OSError)
        LimitError (ValueError)
            LimitStoppedError (also a StoppedError)
        SourceMemoryError (MemoryError)
        NoFaceError (ValueError)
        BoxesFileError (ValueError)
        InvalidImageError (ValueError)
        InvalidBoxError (ValueError)
        OutputError (OSError)
        ResumeError (ValueError)
        RunEndedError
        ModelFileNotFoundError (FileNotFoundError)
        InvalidModelError (ValueError)
            ManifestError
        ModelCardError (ValueError)
        WrongTaskError (ValueError)
        DetectorError (RuntimeError)
        DownloadError (OSError)
        InstallError (ImportError)
        ProviderError (RuntimeError)
        OutOfMemoryError (MemoryError)
        DeviceLostError (RuntimeError)
        InferenceError (RuntimeError)
            NonFiniteOutputError (FloatingPointError)
        SettingsError (ValueError)
        FilterError (ValueError)
        LiveError (RuntimeError)
        WindowError (RuntimeError)
        ContenderError (RuntimeError)

The errors of training and export are in `fkd_train.errors`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar


class FkdError(Exception):
    """Base of all errors that a user can mend.

    `subject` is what the error is about: a file, an option, a provider, a network. `problem` is
    what is wrong with it. `fix` is the way out, or None where there is none to name. The text of
    the error is made from these three; read the fields instead of taking the text apart.

    After an error that `ends_run`, no other source of the run can be processed either.
    """

    ends_run: ClassVar[bool] = False
    after_subject: ClassVar[str] = ": "
    before_fix: ClassVar[str] = "; "

    def __init__(self, subject: str | Path, problem: str, fix: str | None = None) -> None:
        self.subject = str(subject)
        self.problem = problem
        self.fix = fix
        # One argument: OSError takes two or more for an error number and a text.
        super().__init__(self.without_fix + self._ending)

    @property
    def without_fix(self) -> str:
        """Subject and problem."""
        return f"{self.subject}{self.after_subject}{self.problem}" if self.subject else self.problem

    @property
    def without_subject(self) -> str:
        """Problem and fix, for places that name the subject themselves."""
        return self.problem + self._ending

    @property
    def _ending(self) -> str:
        return "" if self.fix is None else self.before_fix + self.fix

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles an error by its fields, whatever its class takes to be made."""
        return _remade, (type(self), self.subject, self.problem, self.fix), self.__dict__


def _remade(kind: type[FkdError], subject: str, problem: str, fix: str | None) -> FkdError:
    # Of several builtins that a class refines, only the one that lays out its memory can make it.
    base: Any = kind
    while base.__module__ != "builtins":
        base = base.__base__
    error: FkdError = base.__new__(kind)
    FkdError.__init__(error, subject, problem, fix)
    return error


class SourceNotFoundError(FkdError, FileNotFoundError):
    """A photo, video, folder or glob does not exist."""

    def __init__(self, source: str | Path) -> None:
        super().__init__(source, "no such file, folder, glob match or camera index")


class SourceFolderError(FkdError, OSError):
    """A folder cannot be searched, or holds nothing to process."""


class UnreadableImageError(FkdError, ValueError):
    """A file does not decode to an image."""

    def __init__(self, path: str | Path, why: str, fix: str | None = None) -> None:
        super().__init__(path, f"cannot be read as an image: {why}", fix)


class UnreadableVideoError(FkdError, ValueError):
    """A file does not decode to a video."""

    def __init__(self, path: str | Path, why: str, fix: str | None = None) -> None:
        super().__init__(path, f"cannot be read as a video: {why}", fix)


class CameraError(FkdError, OSError):
    """A camera does not open."""

    def __init__(self, index: int, problem: str = "does not open") -> None:
        super().__init__(f"camera {index}", problem, "is it plugged in and free?")


class StreamError(FkdError, OSError):
    """A network stream does not open or shows nothing."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, problem, "is the address right and the sender on?")


class StoppedError(FkdError, OSError):
    """A stream, camera or video stopped too early; the frames before it are good and are kept."""


class LimitError(FkdError, ValueError):
    """A source is larger than allowed."""

    def __init__(self, source: str | Path, why: str, option: str) -> None:
        super().__init__(source, why, f"if it is meant to be so large, raise {option}")


class LimitStoppedError(LimitError, StoppedError):
    """A source went on for longer than allowed."""


class SourceMemoryError(FkdError, MemoryError):
    """There was not enough memory for a source."""

    def __init__(self, source: str | Path) -> None:
        problem = "there was not enough free memory for it"
        super().__init__(source, problem, "--workers 1 takes less at once")


class NoFaceError(FkdError, ValueError):
    """A picture shows no face where one is needed."""

    def __init__(self, what: str) -> None:
        fix = "take one with a face that is seen well"
        super().__init__(what, "no face was found in it", fix)


class BoxesFileError(FkdError, ValueError):
    """A --boxes file is not what the option asks for."""

    def __init__(self, path: str | Path, line: int, why: str, fix: str | None = None) -> None:
        super().__init__(f"{path}, line {line}", why, fix)


class InvalidImageError(FkdError, ValueError):
    """An array is not a frame."""

    after_subject = " "

    def __init__(self, got: str) -> None:
        wanted = "is a uint8 array of shape (height, width, 3), BGR"
        super().__init__("an image", f"{wanted}; got {got}")


class InvalidBoxError(FkdError, ValueError):
    """Boxes have a wrong shape, are not finite, or have no area."""

    after_subject = " "

    def __init__(self, why: str) -> None:
        super().__init__("boxes", f"are (n, 4): x0, y0, x1, y1 with x1 > x0 and y1 > y0; {why}")


class OutputError(FkdError, OSError):
    """A place cannot, or must not, be written to."""

    def __init__(self, path: str | Path, why: str, fix: str | None = None) -> None:
        super().__init__(path, f"cannot be written: {why}", fix)


class ResumeError(FkdError, ValueError):
    """A run cannot be resumed as asked."""


class RunEndedError(FkdError):
    """A run ended because of an error that holds for all its sources; what was done is kept."""

    def __init__(self, cause: FkdError) -> None:
        fix = (
            "the run ended there: what was done is kept, and the same command with --resume does "
            "the rest"
        )
        super().__init__("", str(cause), fix)


class ModelFileNotFoundError(FkdError, FileNotFoundError):
    """A model's file, or a shipped model of that name, does not exist."""

    def __init__(self, model: str | Path, shipped: Iterable[str]) -> None:
        names = ", ".join(shipped) or "none"
        super().__init__(model, "no such model file", f"shipped models: {names}")


class InvalidModelError(FkdError, ValueError):
    """A file is no network of fkd, does not load in ONNX Runtime, or has inputs and outputs that
    differ from its card."""

    def __init__(self, path: str | Path, why: str, fix: str | None = None) -> None:
        super().__init__(path, f"not a usable model: {why}", fix)


class ManifestError(InvalidModelError):
    """A manifest of model files cannot be read or is not valid."""

    def __init__(self, path: str | Path, why: str) -> None:
        fix = "it has a table with sha256 and bytes for each file beside it"
        FkdError.__init__(self, path, f"not a usable manifest: {why}", fix)


class ModelCardError(FkdError, ValueError):
    """A model has no card, or one that this version does not understand."""

    def __init__(self, where: str | Path, why: str) -> None:
        fix = "export the model with fkd-export, which writes a valid card"
        super().__init__(where, why, fix)


class WrongTaskError(FkdError, ValueError):
    """A model does something else than it is given for."""

    def __init__(self, where: str | Path, task: object, wanted: str | None) -> None:
        option = {None: "--model", "detector": "--detector-model"}
        kinds = {None: "places points", "detector": "finds faces", "end-to-end": "does both"}
        known = task if task is None or isinstance(task, str) else ""
        does = kinds.get(known, f"has the task {task!r}")
        problem = f"this network {does}, and one that {kinds[wanted]} is needed"
        super().__init__(where, problem, f"it is for {option[known]}" if known in option else None)


class DetectorError(FkdError, RuntimeError):
    """A detector cannot be used here, or not for this."""

    after_subject = " "

    def __init__(self, detector: str, why: str, fix: str | None = None) -> None:
        super().__init__(f"detector {detector!r}", f"cannot be used: {why}", fix)


class DownloadError(FkdError, OSError):
    """A file could not be fetched, or is not the one that was wanted."""


class InstallError(FkdError, ImportError):
    """A package is missing, or two are installed that overwrite each other.

    `fix` is always a command that mends the installation.
    """

    after_subject = " "
    before_fix = "; mend it with: "

    @classmethod
    def of_extra(cls, package: str, extra: str) -> InstallError:
        """For a package that comes with an extra which is not installed."""
        return cls(package, "is not installed", f"pip install 'fkd[{extra}]'")


class ProviderError(FkdError, RuntimeError):
    """A provider was asked for and cannot be used."""

    after_subject = " "

    def __init__(self, asked: str, usable: Sequence[str], fix: str, why: str = "") -> None:
        problem = f"cannot be used (usable: {', '.join(usable) or 'none'})"
        super().__init__(f"provider {asked!r}", f"{problem}; {why}" if why else problem, fix)


class OutOfMemoryError(FkdError, MemoryError):
    """A network does not fit into the free memory."""

    after_subject = " "

    def __init__(self, memory: str, action: str, way_out: str = "use smaller batches") -> None:
        problem = f"has not enough free memory {action}"
        super().__init__(memory, problem, f"end what else fills it, {way_out}")


class DeviceLostError(FkdError, RuntimeError):
    """A GPU no longer answers anything."""

    ends_run = True
    after_subject = " "

    def __init__(self, provider: str, why: str) -> None:
        super().__init__(provider, f"stopped working: {why}")


class InferenceError(FkdError, RuntimeError):
    """ONNX Runtime loaded a network and did not run it."""

    def __init__(self, model: str | Path, what: str, why: str) -> None:
        super().__init__(model, f"could not be run {what}: {why}")


class NonFiniteOutputError(InferenceError, FloatingPointError):
    """A network answered NaN or infinity."""

    after_subject = " "

    def __init__(self, model: str) -> None:
        problem = "gave points that are not finite; the file is broken"
        FkdError.__init__(self, f"model {model!r}", problem)


class SettingsError(FkdError, ValueError):
    """An option has a value that it cannot have, or does not go with the others."""

    after_subject = " "


class FilterError(FkdError, ValueError):
    """A filter does not exist, has a broken file, or is drawn for other points."""

    @classmethod
    def of_pack(cls, path: str | Path, why: str, fix: str | None = None) -> FilterError:
        """For a file of a filter's folder that is missing or not valid."""
        return cls(path, f"not a usable filter: {why}", fix)


class LiveError(FkdError, RuntimeError):
    """A live page cannot be served, or its source cannot be shown."""

    @classmethod
    def of_fault(cls, what: str, error: BaseException) -> LiveError:
        """For a fault that nobody foresaw."""
        lines = str(error).splitlines() or [""]
        why = f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__
        return cls("", f"{what} failed: {why}", "the same with --debug shows where")


class WindowError(FkdError, RuntimeError):
    """No window can be opened for a preview."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__("", f"no window can be opened: {why}", fix)


class ContenderError(FkdError, RuntimeError):
    """A program that was to be timed ended early."""

    after_subject = " "

    def __init__(self, name: str, output: str) -> None:
        self.output = output
        super().__init__(name, f"could not be timed: {output}")
