"""Checks model files on their own, and against a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fkd_infer.errors import FkdError
from fkd_infer.models.check import check_file
from fkd_infer.models.description import describe_model
from fkd_infer.models.manifest import MANIFEST, ManifestEntry, read_manifest
from fkd_infer.models.shipped import INSTALLED, models_folder
from fkd_infer.system.files.reading import file_sha256


@dataclass(frozen=True, slots=True)
class FileReport:
    """The result of a check: a fact about the file, or a problem, which is empty if all is well."""

    file: str
    fact: str
    problem: str = ""


def verify(path: Path) -> Iterator[FileReport]:
    """Checks a model file, or all files of a manifest.

    A folder stands for its manifest or, without one, for its .onnx files.
    """
    try:
        if path.is_dir():
            models = sorted(path.glob("*.onnx"))
            if models and not (path / MANIFEST).exists():
                yield from map(_verify_model, models)
                return
            path /= MANIFEST
        if path.suffix == ".toml":
            yield from _verify_manifest(path, read_manifest(path), is_installed=False)
        elif not path.exists():
            yield FileReport(str(path), "", "no such file")
        else:
            yield _verify_model(path)
    except (FkdError, OSError) as error:
        yield FileReport(str(path), "", _error_text(error, path))


def verify_shipped() -> Iterator[FileReport]:
    """Checks the files that are shipped with fkd, of which a wheel contains some."""
    folder = models_folder()
    if folder is None:
        problem = "the models that come with fkd are not there; install fkd again"
        yield FileReport(MANIFEST, "", problem)
        return
    path = folder / MANIFEST
    try:
        entries = read_manifest(path)
    except FkdError as error:
        yield FileReport(MANIFEST, "", _error_text(error, path))
        return
    yield from _verify_manifest(path, entries, is_installed=folder == INSTALLED)


def _verify_manifest(
    manifest: Path, entries: Mapping[str, ManifestEntry], is_installed: bool
) -> Iterator[FileReport]:
    for name, entry in entries.items():
        path = manifest.with_name(name)
        if is_installed and not entry.wheel and not path.exists():
            yield FileReport(name, "not installed here")
        else:
            yield _verify_entry(path, entry)


def _verify_entry(path: Path, entry: ManifestEntry) -> FileReport:
    try:
        check_file(path)
        size = path.stat().st_size
        if size != entry.bytes:
            problem = f"it has {size} bytes, but {entry.bytes} in {MANIFEST}; get the file again"
            return FileReport(path.name, "", problem)
        sha256 = file_sha256(path)
    except (FkdError, OSError) as error:
        return FileReport(path.name, "", _error_text(error, path))
    if sha256 != entry.sha256:
        problem = f"its sha256 is {sha256}, but {entry.sha256} in {MANIFEST}; get the file again"
        return FileReport(path.name, "", problem)
    if path.suffix != ".onnx":
        return FileReport(path.name, "as in the manifest")
    report = _verify_model(path)
    return FileReport(path.name, report.fact, report.problem)


def _verify_model(path: Path) -> FileReport:
    try:
        model = describe_model(path)
    except FkdError as error:
        return FileReport(str(path), "", _error_text(error, path))
    return FileReport(str(path), f"{model.kind}, {model.scheme}, {model.accuracy}")


def _error_text(error: Exception, path: Path) -> str:
    """Returns an error without the path, which reports show themselves."""
    if isinstance(error, FkdError) and error.subject == str(path):
        return error.without_subject
    return str(error)
