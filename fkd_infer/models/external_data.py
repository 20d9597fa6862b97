"""The files beside a model that contain its weights (ONNX's external data)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from fkd_infer.models.protobuf import ModelFormatError
from fkd_infer.system.files.reading import check_regular
from fkd_infer.system.files.text_checks import short_repr

_MAX_DIGITS = 19


class WeightFiles:
    """Files in a model's folder or below, of at most `max_bytes` each."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._sizes: dict[str, int] = {}

    def check(self, tensor: str, entries: Mapping[str, str], size: int) -> None:
        """Raises ModelFormatError unless the entries of a tensor lead to its `size` bytes in a
        file of the model's folder."""
        location = entries.get("location", "")
        file_size = self._file_size(tensor, location)
        offset = _parse_number(entries.get("offset", "0"), tensor)
        length = _parse_number(entries.get("length", str(size)), tensor)
        if length != size:
            raise ModelFormatError(f"its tensor {tensor} has {size} bytes, but length is {length}")
        if offset + length > file_size:
            raise ModelFormatError(
                f"its tensor {tensor} ends at byte {offset + length} of {short_repr(location)}, "
                f"which has {file_size} bytes"
            )

    def _file_size(self, tensor: str, location: str) -> int:
        """Returns the size of the file at a location, which is checked once."""
        if location not in self._sizes:
            problem = _location_problem(location) or self._file_problem(location)
            if problem:
                where = short_repr(location)
                raise ModelFormatError(f"its tensor {tensor} is stored in {where}, which {problem}")
        return self._sizes[location]

    def _file_problem(self, location: str) -> str:
        """Returns why a file must not be read; otherwise saves its size and returns ""."""
        folder = self._folder.resolve()
        try:
            file = (folder / location).resolve()
            if not file.is_relative_to(folder):
                return "leads out of the model's folder"
            check_regular(file)
            size = file.stat().st_size
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"
        except RuntimeError:  # Python 3.12 and before
            return "cannot be read: a link to itself"
        if size > self._max_bytes:
            return f"has {size} bytes, but at most {self._max_bytes} are allowed"
        self._sizes[location] = size
        return ""


def _location_problem(location: str) -> str:
    """Returns why the text of a location cannot name a file in the model's folder, or ""."""
    if not location or "\0" in location:
        return "is no file name"
    if "*" in location:
        return "some runtimes read as an address in memory"
    windows = PureWindowsPath(location)
    if PurePosixPath(location).is_absolute() or windows.drive or windows.root:
        return "is an absolute path; put the file beside the model"
    return "leads out of the model's folder" if ".." in windows.parts else ""


def _parse_number(text: str, tensor: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise ModelFormatError(f"its tensor {tensor} has the offset or length {short_repr(text)}")
    return int(text)
