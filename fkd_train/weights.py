"""Files of weights: read as data alone, and matched with the tensors of a network by their names.

A file may be a checkpoint of this package, what `torch.save` wrote of a state_dict, or safetensors.
Anything else is refused by its real kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from torch import Tensor, nn

from fkd_infer.errors import one_line
from fkd_infer.system.files.reading import open_regular
from fkd_infer.system.files.text_checks import short_repr
from fkd_train.errors import RunError

_HEAD_BYTES = 512
_NESTED = ("weights", "state_dict", "model_state_dict", "model", "network", "net", "params")
"""Keys below which checkpoints keep a state_dict."""
_WRAPPERS = ("module.", "_orig_mod.")
"""What DistributedDataParallel and torch.compile put before all names."""
_STRIPPED = (
    "",
    "model.",
    "network.",
    "net.",
    "backbone.",
    "encoder.",
    "trunk.",
    "body.",
    "body.network.",
    "body.trunk.",
    "body.trunk.backbone.",
)
_ADDED = ("", "body.", "body.network.", "body.trunk.", "body.trunk.backbone.", "network.", "trunk.")
"""Prefixes of names that are tried: those of a file without the former, with the latter."""
_MAX_NAMED = 3
"""Tensors that a line of the report names."""
_STATE_DICT = "save the weights alone, where its code is: torch.save(model.state_dict(), FILE)"


class _Kind(NamedTuple):
    """What a file is, with its article, and how to get weights in its place."""

    name: str
    fix: str | None = None


@dataclass(frozen=True)
class WeightFit:
    """How a file's weights fit a network.

    Counts are of tensors, `share` of their numbers. `missing` are tensors of the network that the
    file lacks, `reshaped` those that have another shape in it, and `unused` the file's others.
    """

    path: Path
    count: int
    total: int
    share: float
    missing: tuple[str, ...]
    reshaped: tuple[str, ...]
    unused: tuple[str, ...]

    def report(self) -> list[str]:
        """Lines for the user: how much fits, and what does not."""
        percent = int(100 * self.share)  # 100 only if all of it fits
        lines = [
            f"{self.count} of {self.total} tensors ({percent} % of the weights) from {self.path}"
        ]
        rest = {
            "not in the file": self.missing,
            "of another shape": self.reshaped,
            "unused": self.unused,
        }
        lines += [f"{what}: {_listed(names)}" for what, names in rest.items() if names]
        return lines

    def require_all(self) -> None:
        """Raises RunError unless each weight of the network is from the file."""
        lacking = {"it lacks": self.missing, "of another shape are": self.reshaped}
        problems = [f"{what} {_listed(names)}" for what, names in lacking.items() if names]
        if problems:
            fix = "give the weights of this network, all of them"
            raise RunError(self.path, f"does not fit the network: {'; '.join(problems)}", fix)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Reads the tensors of a file by their names, to the CPU, without running code from it.

    Raises RunError for a file that is missing or damaged, or that holds no weights.
    """
    what = "a file of weights"
    if _is_safetensors(path, what):
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise RunError(path, f"a damaged safetensors file: {one_line(error)}") from error
    content = read_torch_file(path, what)
    tables = [content]
    if isinstance(content, Mapping):
        tables = [content[key] for key in _NESTED if isinstance(content.get(key), Mapping)]
        tables.append(content)
    for table in tables:
        if isinstance(table, Mapping):
            named = {n: t for n, t in table.items() if isinstance(n, str) and _is_plain(t)}
            if named:
                return named
    raise RunError(path, f"holds no weights, but {_described(content)}", _STATE_DICT)


def fit_weights(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> WeightFit:
    """Loads those weights that a network has by the same name and shape into it.

    Usual prefixes of names are tried, and the choice that fits most is taken. `path` is the file
    that the weights are from. Raises RunError if none fits.
    """
    own = network.state_dict()
    counted = {name for name, value in own.items() if value.is_floating_point()}

    def size(renamed: Mapping[str, str]) -> int:
        return sum(own[n].numel() for n in counted if _fits(own[n], weights, renamed.get(n)))

    # The first of several that fit alike: names as they are.
    names = max(_renamings(list(weights)), key=size)
    fitted = {n: weights[names[n]] for n in own if _fits(own[n], weights, names.get(n))}
    if not counted & fitted.keys():
        examples = f"{_listed(list(weights))}; the network's: {_listed(list(own))}"
        raise RunError(path, f"none of its weights fits the network; its names: {examples}")
    network.load_state_dict(fitted, strict=False)
    reshaped = [n for n in own if n in counted and n in names and n not in fitted]
    used = {names[n] for n in (*fitted, *reshaped)}
    shape = {n: tuple(weights[names[n]].shape) for n in reshaped}
    return WeightFit(
        path=path,
        count=len(counted & fitted.keys()),
        total=len(counted),
        share=size(names) / max(1, sum(own[n].numel() for n in counted)),
        missing=tuple(n for n in own if n in counted and n not in names),
        reshaped=tuple(f"{n} {shape[n]} in place of {tuple(own[n].shape)}" for n in reshaped),
        unused=tuple(n for n in weights if n not in used and weights[n].is_floating_point()),
    )


def read_torch_file(path: Path, what: str) -> Any:
    """Reads what torch.save wrote, to the CPU, without running code from it.

    `what` is the kind of file that is expected, for errors: `a checkpoint`. Raises RunError for a
    file that is missing, damaged, or of another kind.
    """
    try:
        with open_regular(path) as file:
            _check_uncompressed(file)
            return torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise RunError(path, f"no such {what.partition(' ')[2]}") from error
    except OSError as error:
        raise RunError(path, f"not {what}: {error.strerror or error}") from error
    except Exception as error:  # the unpickler raises many kinds of errors
        kind = _kind(path) or _pickled(error)
        if kind is None:
            raise RunError(path, f"not {what}, or a damaged one") from error
        raise RunError(path, f"not {what}, but {kind.name}", kind.fix) from error


def _check_uncompressed(file: BinaryIO) -> None:
    """Raises an error if an entry of an archive is compressed, which torch.save never does: such a
    file could be far larger in memory than on disk."""
    is_archive = file.read(2) == b"PK"
    file.seek(0)
    if is_archive:
        with ZipFile(file) as archive:
            if any(entry.compress_type != ZIP_STORED for entry in archive.infolist()):
                raise ValueError("a compressed entry")
        file.seek(0)


def _is_safetensors(path: Path, what: str) -> bool:
    """Whether a file begins as safetensors do: the length of a JSON header, and its brace."""
    try:
        with open_regular(path) as file:
            head = file.read(9)
    except FileNotFoundError as error:
        raise RunError(path, f"no such {what.partition(' ')[2]}") from error
    except OSError as error:
        raise RunError(path, f"not {what}: {error.strerror or error}") from error
    return _begins_safetensors(head)


def _begins_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32


def _is_plain(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized


def _fits(own: Tensor, weights: Mapping[str, Tensor], name: str | None) -> bool:
    return name is not None and weights[name].shape == own.shape


def _renamings(names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Names that a network may have for the tensors of a file, and their names in the file."""
    common = ""
    while wrapper := next((w for w in _WRAPPERS if _all_start(names, common + w)), ""):
        common += wrapper
    for stripped in _STRIPPED:
        prefix = common + stripped
        bare = {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}
        for added in _ADDED:
            yield {added + name: original for name, original in bare.items()}


def _all_start(names: Sequence[str], prefix: str) -> bool:
    return bool(names) and all(name.startswith(prefix) for name in names)


def _listed(names: Sequence[str]) -> str:
    """The first of some names in a line, and how many more there are."""
    shown = [name if name.isprintable() else short_repr(name) for name in names[:_MAX_NAMED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _described(content: object) -> str:
    """What a file of torch.save holds in place of weights."""
    if isinstance(content, Mapping):
        return f"a table of {_listed([str(key) for key in content]) or 'nothing'}"
    return f"a {type(content).__name__}"


def _kind(path: Path) -> _Kind | None:
    """The kind of a file that is none of torch.save's, by its first bytes; None if unknown."""
    with open_regular(path) as file:
        head = file.read(_HEAD_BYTES)
        if head.startswith(b"PK"):
            return _archive_kind(file)
    found = (kind for recognises, kind in _KINDS if recognises(head))
    return next(found, None)


_KINDS: tuple[tuple[Callable[[bytes], bool], _Kind], ...] = (
    (lambda head: not head, _Kind("an empty file")),
    (
        lambda head: head.startswith(b"version https://git-lfs"),
        _Kind("a Git LFS pointer, which stands for a file", "fetch that: git lfs pull"),
    ),
    (
        lambda head: (
            head.lstrip()[:9].lower() in (b"<!doctype", b"<html>") or b"<html" in head[:99]
        ),
        _Kind("an HTML page", "download the file itself, not the page about it"),
    ),
    (
        lambda head: head.startswith(b"\x89HDF\r\n\x1a\n"),
        _Kind("an HDF5 file, as Keras writes", "only weights of PyTorch are read"),
    ),
    (_begins_safetensors, _Kind("a safetensors file", "its weights start a run: fkd-train --init")),
    (
        # The version of the format, up to 31, and the name of its producer or its graph.
        lambda head: re.match(rb"\x08[\x01-\x1f][\x12\x1a\x22\x3a\x42]", head) is not None,
        _Kind("an ONNX file", "only weights of PyTorch are read"),
    ),
)


def _archive_kind(file: BinaryIO) -> _Kind | None:
    """The kind of a zip archive; None if it seems to be torch.save's."""
    try:
        with ZipFile(file) as archive:
            entries = archive.infolist()
    except (BadZipFile, ValueError, NotImplementedError):
        return None
    names = [entry.filename for entry in entries]
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        return _Kind("a TorchScript file", "give the module that made it, and its state_dict")
    if any(name.endswith("models/model.json") for name in names):
        return _Kind("a file of torch.export", "give the module that made it, and its state_dict")
    if any(name.endswith("model.weights.h5") for name in names):
        return _Kind("a Keras file", "only weights of PyTorch are read")
    if any(name.endswith(".npy") for name in names):
        return _Kind("an archive of NumPy arrays", "only weights of PyTorch are read")
    if not any(name.endswith("/data.pkl") for name in names):
        return _Kind("a zip archive without weights")
    if any(entry.compress_type != ZIP_STORED for entry in entries):
        return _Kind("a compressed archive", "take the file as torch.save wrote it")
    return None


def _pickled(error: Exception) -> _Kind | None:
    """The kind of a pickle with other objects than tensors, which the unpickler refuses."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    if found is None:
        return None
    return _Kind(f"a pickle with objects of {found[1]}, which is not loaded as data", _STATE_DICT)
