"""Errors: their text, their fields, copies and pickles."""

from __future__ import annotations

import copy
import inspect
import pickle
from pathlib import Path

import pytest

from fkd_infer import errors
from fkd_infer.errors import (
    CameraError,
    ContenderError,
    DeviceLostError,
    FkdError,
    InstallError,
    LimitStoppedError,
    NonFiniteOutputError,
    OutOfMemoryError,
    OutputError,
    ProviderError,
    RunAbortedError,
    SourceNotFoundError,
    WrongTaskError,
)

CLASSES = [
    one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, FkdError)
]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FkdError("a", "is odd"), "a: is odd"),
        (FkdError(Path("a"), "is odd", "fix it"), "a: is odd; fix it"),
        (FkdError("", "all is odd", "fix it"), "all is odd; fix it"),
        (OutputError("a.png", "disk full"), "a.png: cannot be written: disk full"),
        (
            InstallError.of_extra("timm", "timm"),
            "timm is not installed; fix it with: pip install timm",
        ),
        (
            ProviderError("cuda", [], "see the log"),
            "provider 'cuda' cannot be used (installed: none); see the log",
        ),
        (
            OutOfMemoryError("this machine", "to load m"),
            "this machine has not enough free memory to load m; end what else fills it, use "
            "smaller batches",
        ),
        (
            NonFiniteOutputError("m"),
            "model 'm' returned values that are not finite; the file is broken",
        ),
        (
            WrongTaskError("m.onnx", "detector", None),
            "m.onnx: this network finds faces, but one that places points is needed; use it as "
            "--detector-model",
        ),
    ],
)
def test_the_text_joins_subject_problem_and_fix(error: FkdError, line: str) -> None:
    assert str(error) == line
    assert line.endswith(error.without_subject)
    assert line.startswith(error.without_fix)
    assert error.args == (line,)


@pytest.mark.parametrize(
    "error",
    [
        SourceNotFoundError("a.png"),
        CameraError(2),
        LimitStoppedError("a.mp4", "more than 3 frames", "--limit-frames"),
        OutOfMemoryError("the GPU", "for a batch of 1"),
        InstallError.of_extra("torch", "train"),
        NonFiniteOutputError("m"),
        ContenderError("a", "no such file"),
        DeviceLostError("CUDA", "failure 700"),
        RunAbortedError(OutputError("a", "disk full")),
    ],
)
def test_errors_survive_copying_and_pickling(error: FkdError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)
        assert again.ends_run == error.ends_run


def test_the_docstring_shows_the_tree_of_all_classes() -> None:
    tree = [line for line in (errors.__doc__ or "").splitlines() if line.startswith("    ")]
    shown = {line.split()[0]: len(line) - len(line.lstrip()) for line in tree}
    assert shown == {kind.__name__: 4 * _depth(kind) for kind in CLASSES}


def _depth(kind: type[FkdError]) -> int:
    """The number of classes from a class to FkdError, by first bases, both included."""
    return 1 if kind is FkdError else 1 + _depth(kind.__bases__[0])
