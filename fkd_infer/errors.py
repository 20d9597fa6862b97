"""The errors of the runtime that a user can cause and solve: `fkd_infer.errors`.

Each class is a kind of problem that a caller may want to catch. It is also the builtin exception
that it refines, so code that catches FileNotFoundError or ValueError catches it too:

    FkdError
        SourceNotFoundError (FileNotFoundError)
        SourceFolderError (OSError)
        UnreadableImageError (ValueError)
        UnreadableVideoError (ValueError)
            DamagedVideoError (also a StoppedError)
        CameraError (OSError)
        StreamError (OSError)
        StoreError (OSError)
            StoreAccessError
        StoppedError (OSError)
        SegmentError (ValueError)
        LimitError (ValueError)
            LimitStoppedError (also a StoppedError)
        SourceMemoryError (MemoryError)
        NoFaceError (ValueError)
        BoxesFileError (ValueError)
        InvalidImageError (ValueError)
        InvalidBoxError (ValueError)
        OutputError (OSError)
        ResumeError (ValueError)
        RunAbortedError
        ClusterError (RuntimeError)
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
        WebPageError (RuntimeError)
        WindowError (RuntimeError)
        ContenderError (RuntimeError)

The errors of training and export are in `fkd_train.errors`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self


def one_line(error: BaseException) -> str:
    """The class and text of an error that is none of ours, as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


class FkdError(Exception):
    """Base of all errors that a user can solve; each is also the builtin that it refines.

    The text of the error joins subject, problem and fix: read the fields instead of parsing it.

    Examples:
        >>> import fkd_infer
        >>> try:
        ...     fkd_infer.read_image("nosuch.jpg")
        ... except fkd_infer.FkdError as error:
        ...     print(error.subject, "|", error.problem, "|", error.fix)
        nosuch.jpg | ... | None
    """

    subject: str
    """What the error is about: a file, an address, an option, a provider, a network."""
    problem: str
    """What is wrong with it."""
    fix: str | None
    """What to do; None if there is nothing to suggest."""
    ends_run: ClassVar[bool] = False
    """Whether no other source of the run can be processed either."""
    after_subject: ClassVar[str] = ": "
    before_fix: ClassVar[str] = "; "

    def __init__(self, subject: object, problem: str, fix: str | None = None) -> None:
        self.subject = str(subject)
        self.problem = problem
        self.fix = fix
        # OSError interprets two or more arguments as an error number and a text.
        super().__init__(self.without_fix + self._ending)

    @property
    def without_fix(self) -> str:
        """Subject and problem."""
        return f"{self.subject}{self.after_subject}{self.problem}" if self.subject else self.problem

    @property
    def without_subject(self) -> str:
        """Problem and fix, for callers that name the subject themselves."""
        return self.problem + self._ending

    def about(self, subject: str) -> Self:
        """The same error about another subject."""
        error: Self = _recreate(type(self), subject, self.problem, self.fix)
        return error

    @property
    def _ending(self) -> str:
        return "" if self.fix is None else self.before_fix + self.fix

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles an error by its fields, whatever the arguments of its class."""
        return _recreate, (type(self), self.subject, self.problem, self.fix), self.__dict__


def _recreate(kind: type[FkdError], subject: str, problem: str, fix: str | None) -> Any:
    # Only the builtin that defines the memory layout of a class can create its objects.
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

    def __init__(self, path: str | Path, reason: str, fix: str | None = None) -> None:
        super().__init__(path, f"cannot be read as an image: {reason}", fix)


class UnreadableVideoError(FkdError, ValueError):
    """A file does not decode to a video."""

    def __init__(self, path: str | Path, reason: str, fix: str | None = None) -> None:
        super().__init__(path, f"cannot be read as a video: {reason}", fix)


class CameraError(FkdError, OSError):
    """A camera does not open."""

    def __init__(self, index: int, problem: str = "does not open") -> None:
        super().__init__(f"camera {index}", problem, "is it plugged in and free?")


class StreamError(FkdError, OSError):
    """A network stream does not open or shows nothing."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, problem, "is the address right and the sender on?")


class StoreError(FkdError, OSError):
    """An object in a store cannot be listed, read or written."""


class StoreAccessError(StoreError):
    """A store cannot be used at all: credentials are missing or refused, or a bucket is."""

    ends_run = True


class StoppedError(FkdError, OSError):
    """A stream, camera or video stopped too early; the frames before that are usable."""


class DamagedVideoError(UnreadableVideoError, StoppedError):
    """A part of a video could not be decoded; the frames that could are usable."""

    def __init__(self, path: str | Path, problem: str) -> None:
        FkdError.__init__(self, path, f"{problem}; all else of it was used")


class SegmentError(FkdError, ValueError):
    """A video cannot be processed in segments."""


class LimitError(FkdError, ValueError):
    """A source is larger than allowed."""

    def __init__(self, source: str | Path, reason: str, option: str) -> None:
        super().__init__(source, reason, f"if this size is intended, raise {option}")


class LimitStoppedError(LimitError, StoppedError):
    """A source has more frames, or lasts longer, than allowed."""


class SourceMemoryError(FkdError, MemoryError):
    """There was not enough memory for a source."""

    def __init__(self, source: str | Path) -> None:
        super().__init__(source, "not enough free memory", "use --workers 1, which needs less")


class NoFaceError(FkdError, ValueError):
    """A picture shows no face where one is needed."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "no face was detected in it", "use one with a clearly visible face")


class BoxesFileError(FkdError, ValueError):
    """A --boxes file cannot be read or has an invalid line."""

    def __init__(self, path: str | Path, line: int, reason: str, fix: str | None = None) -> None:
        super().__init__(f"{path}, line {line}", reason, fix)


class InvalidImageError(FkdError, ValueError):
    """An array is not a frame."""

    after_subject = " "

    def __init__(self, got: str, fix: str | None = None) -> None:
        problem = f"is a uint8 array of shape (height, width, 3), BGR; got {got}"
        super().__init__("an image", problem, fix)


class InvalidBoxError(FkdError, ValueError):
    """Boxes have a wrong shape, are not finite, or have no area."""

    after_subject = " "

    def __init__(self, reason: str) -> None:
        super().__init__("boxes", f"are (n, 4): x0, y0, x1, y1 with x1 > x0 and y1 > y0; {reason}")


class OutputError(FkdError, OSError):
    """A file or folder cannot, or must not, be written."""

    def __init__(self, path: object, reason: str, fix: str | None = None) -> None:
        super().__init__(path, f"cannot be written: {reason}", fix)


class ResumeError(FkdError, ValueError):
    """A run cannot be resumed as asked."""


class RunAbortedError(FkdError):
    """A run stopped because of an error that concerns all its sources; its results so far stay."""

    def __init__(self, cause: FkdError) -> None:
        fix = (
            "the run stopped there: results so far are kept, and the same command with --resume "
            "continues it"
        )
        super().__init__("", str(cause), fix)


class ClusterError(FkdError, RuntimeError):
    """A Ray cluster cannot be used, or was lost."""


class ModelFileNotFoundError(FkdError, FileNotFoundError):
    """A model's file, or a shipped model of that name, does not exist."""

    def __init__(self, model: str | Path, shipped: Iterable[str]) -> None:
        names = ", ".join(shipped) or "none"
        super().__init__(model, "no such model file", f"shipped models: {names}")


class InvalidModelError(FkdError, ValueError):
    """A file is no network of fkd, or ONNX Runtime cannot load it, or its inputs and outputs differ
    from its card."""

    def __init__(self, path: str | Path, reason: str, fix: str | None = None) -> None:
        super().__init__(path, f"not a usable model: {reason}", fix)


class ManifestError(InvalidModelError):
    """A manifest of model files cannot be read or is not valid."""

    def __init__(self, path: str | Path, reason: str) -> None:
        fix = "write a table with sha256 and bytes for each file next to it"
        FkdError.__init__(self, path, f"not a usable manifest: {reason}", fix)


class ModelCardError(FkdError, ValueError):
    """A model has no card, or a card that this version cannot read."""

    def __init__(self, where: str | Path, reason: str) -> None:
        fix = "export the model with fkd-export, which writes a valid card"
        super().__init__(where, reason, fix)


class WrongTaskError(FkdError, ValueError):
    """A model is for another task."""

    def __init__(self, where: str | Path, task: object, expected: str | None) -> None:
        option = {None: "--model", "detector": "--detector-model"}
        kinds = {
            None: "places points",
            "detector": "finds faces",
            "end-to-end": "finds faces and places points",
        }
        known = task if task is None or isinstance(task, str) else ""
        actual = kinds.get(known, f"has the task {task!r}")
        problem = f"this network {actual}, but one that {kinds[expected]} is needed"
        fix = f"use it as {option[known]}" if known in option else None
        if known == "end-to-end":
            fix = (
                "open it with fkd_infer.load(FILE, end_to_end=True), or use the network's own file"
            )
        elif expected == "end-to-end":
            fix = "leave out end_to_end=True, or export a file with fkd-export --end-to-end"
        super().__init__(where, problem, fix)


class DetectorError(FkdError, RuntimeError):
    """A detector does not exist, or cannot be used for this."""

    after_subject = " "

    def __init__(self, detector: str, reason: str, fix: str | None = None) -> None:
        super().__init__(f"detector {detector!r}", f"cannot be used: {reason}", fix)


class DownloadError(FkdError, OSError):
    """A file could not be downloaded, or has another checksum than expected."""


class InstallError(FkdError, ImportError):
    """A package is missing, or two are installed that overwrite each other.

    `fix` is always a command that repairs the installation.
    """

    after_subject = " "
    before_fix = "; fix it with: "

    @classmethod
    def of_extra(cls, package: str, extra: str) -> InstallError:
        """The error for a package of an extra that is not installed; the fix installs all of it."""
        return cls(package, "is not installed", f"pip install {_packages_of(extra) or package}")


def _packages_of(extra: str) -> str:
    """The packages of an extra; "fkd[extra]" itself could not be installed from any index."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        requirements = requires("fkd") or []
    except PackageNotFoundError:  # run from a folder, without an installation
        return ""
    own = [each for each in requirements if re.search(rf"extra == ['\"]{extra}['\"]", each)]
    names = [re.split(r"[^][\w.,-]", each, maxsplit=1)[0] for each in own]
    return " ".join(f"'{name}'" if "[" in name else name for name in names)


class ProviderError(FkdError, RuntimeError):
    """A requested execution provider cannot be used; `reason` says why, if it is installed."""

    after_subject = " "

    def __init__(self, asked: str, installed: Sequence[str], fix: str, reason: str = "") -> None:
        problem = f"cannot be used (installed: {', '.join(installed) or 'none'})"
        super().__init__(f"provider {asked!r}", f"{problem}; {reason}" if reason else problem, fix)
        self.reason = reason

    def with_fix(self, fix: str) -> Self:
        """The same error with another way out."""
        error: Self = _recreate(type(self), self.subject, self.problem, fix)
        error.reason = self.reason
        return error


class OutOfMemoryError(FkdError, MemoryError):
    """A network needs more memory than is free."""

    after_subject = " "

    def __init__(self, memory: str, action: str, way_out: str = "use smaller batches") -> None:
        problem = f"has not enough free memory {action}"
        super().__init__(memory, problem, f"end what else fills it, {way_out}")


class DeviceLostError(FkdError, RuntimeError):
    """A GPU stopped responding."""

    ends_run = True
    after_subject = " "

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(provider, f"stopped working: {reason}")


class InferenceError(FkdError, RuntimeError):
    """ONNX Runtime loaded a network but failed to run it."""

    def __init__(self, model: str | Path, what: str, reason: str) -> None:
        super().__init__(model, f"could not be run {what}: {reason}")


class NonFiniteOutputError(InferenceError, FloatingPointError):
    """A network returned NaN or infinity."""

    after_subject = " "

    def __init__(self, model: str) -> None:
        problem = "returned values that are not finite; the file is broken"
        FkdError.__init__(self, f"model {model!r}", problem)


class SettingsError(FkdError, ValueError):
    """An option has an invalid value, or conflicts with others."""

    after_subject = " "


class FilterError(FkdError, ValueError):
    """A filter does not exist, has a broken file, or is for another landmark scheme."""

    @classmethod
    def of_pack(cls, path: str | Path, reason: str, fix: str | None = None) -> FilterError:
        """The error for a missing or invalid file of a filter's folder."""
        return cls(path, f"not a usable filter: {reason}", fix)


class LiveError(FkdError, RuntimeError):
    """The live page cannot be served, or its source cannot be shown."""

    @classmethod
    def of_fault(cls, what: str, error: BaseException) -> LiveError:
        """The error for an unexpected exception."""
        lines = str(error).splitlines() or [""]
        reason = f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__
        return cls("", f"{what} failed: {reason}", "add --debug for a traceback")


class WebPageError(FkdError, RuntimeError):
    """The page for browsers is not built, or a part of it is missing."""


class WindowError(FkdError, RuntimeError):
    """The preview window cannot be opened."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__("", f"no window can be opened: {reason}", fix)


class ContenderError(FkdError, RuntimeError):
    """A benchmarked program failed."""

    after_subject = " "

    def __init__(self, name: str, output: str) -> None:
        self.output = output
        super().__init__(name, f"could not be timed: {output}")
