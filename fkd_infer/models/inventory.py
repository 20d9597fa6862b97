"""What models there are, and whether files are what they should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fkd_infer.errors import FkdError
from fkd_infer.models.cards import detector as detectorcard
from fkd_infer.models.cards import end_to_end
from fkd_infer.models.cards.base import task_of
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.cards.end_to_end import EndToEndCard
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.check import check_file, check_model
from fkd_infer.models.manifest import MANIFEST, Entry, read_manifest
from fkd_infer.models.shipped import INSTALLED, models_folder
from fkd_infer.models.signature import (
    check_detector_signature,
    check_end_to_end_signature,
    check_landmark_signature,
)
from fkd_infer.system.files.reading import file_sha256

AnyCard = ModelCard | DetectorCard | EndToEndCard


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model in words: what it does, the points that it places, its input, and how right it is."""

    kind: str
    bytes: int
    scheme: str
    input: str
    accuracy: str


@dataclass(frozen=True, slots=True)
class FileReport:
    """What was found out about a file; `problem` is empty where it is as it should be."""

    file: str
    fact: str
    problem: str = ""


def describe_model(path: Path) -> ModelDescription:
    """A model's file, checked and in words; raises InvalidModelError, ModelCardError and
    WrongTaskError."""
    card, size = read_any_card(path), path.stat().st_size
    if isinstance(card, DetectorCard):
        accuracy = {name: f"recall {m.recall:.2f} %" for name, m in card.accuracy.items()}
        return ModelDescription("detector", size, "5 points", "any", _words(accuracy))
    landmarks = card.landmarks if isinstance(card, EndToEndCard) else card
    accuracy = {name: f"NME {m.nme:.2f} %" for name, m in landmarks.accuracy.items()}
    scheme = landmarks.landmarks.name
    if isinstance(card, EndToEndCard):
        return ModelDescription("end-to-end", size, scheme, "any", _words(accuracy))
    side = landmarks.input.size
    return ModelDescription("landmarks", size, scheme, f"{side} × {side}", _words(accuracy))


def read_any_card(path: Path) -> AnyCard:
    """The card of a model that does anything, whose graph is as the card says.

    Raises InvalidModelError, ModelCardError, and WrongTaskError for a task that is not known.
    """
    found = check_model(path)
    task = task_of(found.metadata, path)
    if task == detectorcard.TASK:
        detector = DetectorCard.from_metadata(found.metadata, path)
        check_detector_signature(found, path)
        return detector
    if task == end_to_end.TASK:
        whole = EndToEndCard.from_metadata(found.metadata, path)
        check_end_to_end_signature(found, whole, path)
        return whole
    card = ModelCard.from_metadata(found.metadata, path)
    check_landmark_signature(found, card, path)
    return card


def verify(path: Path) -> Iterator[FileReport]:
    """Of a model's file, or of every file of a manifest, or of that in a folder."""
    try:
        if path.is_dir():
            path /= MANIFEST
        if path.suffix == ".toml":
            yield from _verify_all(path, read_manifest(path), is_installed=False)
        elif not path.exists():
            yield FileReport(str(path), "", "no such file")
        else:
            yield _verify_model(path)
    except (FkdError, OSError) as error:
        yield FileReport(str(path), "", _told(error, path))


def verify_shipped() -> Iterator[FileReport]:
    """Of every file that came with fkd; a wheel has some of them."""
    folder = models_folder()
    if folder is None:
        problem = "the models that come with fkd are not there; install fkd again"
        yield FileReport(MANIFEST, "", problem)
        return
    path = folder / MANIFEST
    try:
        entries = read_manifest(path)
    except FkdError as error:
        yield FileReport(MANIFEST, "", _told(error, path))
        return
    yield from _verify_all(path, entries, is_installed=folder == INSTALLED)


def _verify_all(
    manifest: Path, entries: Mapping[str, Entry], is_installed: bool
) -> Iterator[FileReport]:
    for name, entry in entries.items():
        path = manifest.with_name(name)
        if is_installed and not entry.wheel and not path.exists():
            yield FileReport(name, "not installed here")
        else:
            yield _verify_entry(path, entry)


def _verify_entry(path: Path, entry: Entry) -> FileReport:
    """Of one file of a manifest."""
    try:
        check_file(path)
        size = path.stat().st_size
        if size != entry.bytes:
            problem = f"it has {size} bytes, and {entry.bytes} in {MANIFEST}; get the file again"
            return FileReport(path.name, "", problem)
        found = file_sha256(path)
    except (FkdError, OSError) as error:
        return FileReport(path.name, "", _told(error, path))
    if found != entry.sha256:
        problem = f"its sha256 is {found}, and {entry.sha256} in {MANIFEST}; get the file again"
        return FileReport(path.name, "", problem)
    if path.suffix != ".onnx":
        return FileReport(path.name, "as in the manifest")
    verdict = _verify_model(path)
    return FileReport(path.name, verdict.fact, verdict.problem)


def _verify_model(path: Path) -> FileReport:
    """Of an ONNX file by itself."""
    try:
        described = describe_model(path)
    except FkdError as error:
        return FileReport(str(path), "", _told(error, path))
    return FileReport(str(path), f"{described.kind}, {described.scheme}, {described.accuracy}")


def _told(error: Exception, path: Path) -> str:
    """An error without the path that stands before it already."""
    if isinstance(error, FkdError) and error.subject == str(path):
        return error.without_subject
    return str(error)


def _words(accuracy: Mapping[str, str]) -> str:
    """Figures by their protocols."""
    return ", ".join(f"{figure} ({name})" for name, figure in accuracy.items()) or "not measured"
