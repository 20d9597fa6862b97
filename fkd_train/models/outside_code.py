"""Code from outside of the package: finds its factories of networks, and tries what they build.

Whatever such code raises becomes one line that names the exception and the place in that code.
"""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from fkd_infer.errors import FkdError, one_line
from fkd_train.errors import NetworkError
from fkd_train.models.spec import ModelSpec

BATCH = 2
"""Images of a dry run; with a single one, the loss of the batch's axis would not be noticed."""
_NAME = re.compile(r"(?:[^\W\d]\w*\.)*[^\W\d]\w*:[^\W\d]\w*")
_MAX_LISTED = 10
"""Names that an error lists."""


def name_problem(name: str) -> str:
    """Why a name cannot be that of a factory, `package.module:factory`, or an empty string."""
    if not _NAME.fullmatch(name):
        return "is not written as package.module:factory"
    if name.partition(":")[0].endswith(".py"):
        return f"names a file; write the module alone: {name.replace('.py:', ':')}"
    root = _root(name)
    if root in sys.stdlib_module_names or root == "__main__":
        return f"names Python's own module {root}, which builds no networks"
    return ""


def import_factory(name: str) -> Callable[[ModelSpec], nn.Module]:
    """The factory `package.module:factory`; imports its module as Python does.

    A factory without arguments is called without the spec. Neither this function nor the factory
    returns anything else than a module, or fails in another way than by NetworkError. Modules of
    the standard library are refused: a checkpoint may name the factory, and calls of os or
    subprocess are none.
    """
    if problem := name_problem(name):
        raise NetworkError(name, problem)
    module_name, _, attribute = name.partition(":")
    try:
        with outside_errors(name, f"importing {module_name}"):
            module = import_module(module_name)
    except NetworkError as error:
        cause = error.__cause__
        missing = (cause.name or "") if isinstance(cause, ModuleNotFoundError) else ""
        if not missing or not f"{module_name}.".startswith(f"{missing}."):
            raise
        fix = (
            "install it, or name the folder that holds it in PYTHONPATH, which is PYTHONPATH=. for "
            "the current folder"
        )
        raise NetworkError(name, f"there is no module {missing}", fix) from cause
    factory = getattr(module, attribute, None)
    if factory is None:
        raise NetworkError(name, f"{module_name} has no {attribute}", _listed(module))
    if isinstance(factory, nn.Module) or not callable(factory):
        problem = f"{attribute} is a {type(factory).__name__}, not a function or class"
        raise NetworkError(name, problem, _listed(module))

    def build(spec: ModelSpec) -> nn.Module:
        with outside_errors(name, attribute):
            network = factory(spec) if _takes_argument(factory) else factory()
        if not isinstance(network, nn.Module):
            raise NetworkError(
                name, f"{attribute} returned a {type(network).__name__}, not a torch.nn.Module"
            )
        return network

    return build


def _takes_argument(factory: Callable[..., object]) -> bool:
    """Whether a function or class has an argument to pass by position; some need none."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except ValueError:  # written in C, without a signature
        return True
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    return any(parameter.kind in kinds for parameter in parameters)


def dry_run(spec: ModelSpec, module: nn.Module) -> object:
    """What a module returns for black planes (2, C, S, S), on the device where tensors are created.

    Neither the module nor torch's generator changes. Raises NetworkError if the module fails.
    """
    modes = {part: part.training for part in module.modules()}
    module.eval()
    planes = torch.zeros(BATCH, spec.channels, spec.size, spec.size)
    try:
        what = f"the network, called with planes {shape_text(planes)},"
        with outside_errors(spec.name, what), torch.no_grad(), torch.random.fork_rng(devices=[]):
            return module(planes)
    finally:
        for part, was_training in modes.items():
            part.training = was_training


def shape_text(output: object) -> str:
    """The output of a dry run in a few words, as `a list of (N, 8, 16, 16) and (N, 16, 8, 8)`."""
    if isinstance(output, list | tuple):
        parts = [shape_text(one) for one in output]
        return f"a {type(output).__name__} of {' and '.join(parts) or 'nothing'}"
    if not isinstance(output, Tensor):
        return f"a {type(output).__name__}"
    sides = ["N" if not axis and side == BATCH else side for axis, side in enumerate(output.shape)]
    kind = "" if output.is_floating_point() else f" of {str(output.dtype).removeprefix('torch.')}"
    return f"({', '.join(map(str, sides))}){kind}"


@contextmanager
def outside_errors(name: str, what: str) -> Iterator[None]:
    """Turns what the code behind a network's name raises into a NetworkError with its place."""
    try:
        yield
    except FkdError:
        raise
    except (Exception, SystemExit) as error:
        place, fix = _place(error, name), None
        if torch.empty(0).is_meta:
            # Checkpoints are compared with their networks there before memory is allocated.
            fix = (
                "it also has to work on torch's device meta, whose tensors have shapes and no "
                "values: a checkpoint is loaded by way of it"
            )
        elif isinstance(error, TypeError) and not place:
            fix = "a factory is called with a ModelSpec alone, and its network with images alone"
        raise NetworkError(name, f"{what} raised {one_line(error)}{place}", fix) from error


def _root(name: str) -> str:
    """The top-level package of a factory."""
    return name.partition(":")[0].partition(".")[0]


def _place(error: BaseException, name: str) -> str:
    """The last line of a traceback within the package of a factory, ` (file, line n)`, or that of
    an error in its syntax; empty if the error has none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    found = find_spec(_root(name))
    places = [] if found is None else list(found.submodule_search_locations or [])
    origin = None if found is None else found.origin
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        folders = [str(folder) for folder in Path(frame.filename).parents]
        if frame.filename == origin or any(place in folders for place in places):
            return f" ({frame.filename}, line {frame.lineno})"
    return ""


def _listed(module: ModuleType) -> str:
    """The functions and classes that a module defines, as a hint."""
    names = [
        name
        for name, value in vars(module).items()
        if callable(value)
        and not name.startswith("_")
        and getattr(value, "__module__", "") == module.__name__
    ]
    if not names:
        return "it defines no function or class"
    more = ", …" if len(names) > _MAX_LISTED else ""
    return f"there are: {', '.join(names[:_MAX_LISTED])}{more}"
