"""The files beside a model that hold its weights, as ONNX's external data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from fkd_infer.models.protobuf import ModelFormatError
from fkd_infer.system.files.reading import check_regular
from fkd_infer.system.files.text_checks import short_repr


class WeightFiles:
    """Files in a model's folder, or below, of at most so many bytes each."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        self._sizes: dict[str, int] = {}

    def check(self, name: str, entries: Mapping[str, str], size: int) -> None:
        """Raises ModelFormatError unless a tensor's `size` bytes are where its entries say, in
        the model's folder."""
        location = entries.get("location", "")
        there = self._size(name, location)
        offset = _whole_number(entries.get("offset", "0"), name)
        length = _whole_number(entries.get("length", str(size)), name)
        if length != size:
            raise ModelFormatError(
                f"its tensor {name} takes {size} bytes, and is told to have {length}"
            )
        if offset + length > there:
            raise ModelFormatError(
                f"its tensor {name} ends at byte {offset + length} of "
                f"{short_repr(location)}, which has {there}"
            )

    def _size(self, name: str, location: str) -> int:
        """Bytes of the file at a location."""
        if location not in self._sizes:
            problem = _location_problem(location) or self._problem(location)
            if problem:
                raise ModelFormatError(
                    f"its tensor {name} is kept in {short_repr(location)}, which {problem}"
                )
        return self._sizes[location]

    def _problem(self, location: str) -> str:
        """Why a file is not to be read; empty where it is, and then its size is known."""
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
        if size > self._most:
            return f"has {size} bytes, and {self._most} are allowed"
        self._sizes[location] = size
        return ""


def _location_problem(location: str) -> str:
    """Why a place is not in the model's folder, by its text alone; empty where it may be."""
    if not location or "\0" in location:
        return "is no file's name"
    if "*" in location:
        return "some runtimes take for an address in memory"
    windows = PureWindowsPath(location)
    if PurePosixPath(location).is_absolute() or windows.drive or windows.root:
        return "is an absolute path; put the file beside the model"
    return "leads out of the model's folder" if ".." in windows.parts else ""


def _whole_number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ModelFormatError(f"its tensor {name} begins at or takes {short_repr(text)} bytes")
    return int(text)
