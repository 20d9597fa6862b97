"""Files and folders that the user may not read or write."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tiny_models import MODELS

from fkd_infer.drawing.annotator import Annotator
from fkd_infer.drawing.overlay import Overlay
from fkd_infer.errors import OutputError, SourceFolderError
from fkd_infer.formats.registry import RecordFile, find_format
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.jobs.outputs import Outputs
from fkd_infer.jobs.run import Job, run
from fkd_infer.jobs.summary import Summary
from fkd_infer.loading import load
from fkd_infer.media.images.writing import write_image
from fkd_infer.media.output_check import check_outputs
from fkd_infer.media.sources import expand_sources
from fkd_infer.pipeline import Pipeline

NOBODY = 65534


@contextmanager
def unprivileged_user() -> Iterator[None]:
    """Runs the block as nobody if this is root, and else as this user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with photos, of which a file and a subfolder are not readable."""
    folder = Path(tempfile.mkdtemp())
    for name in ("a.png", "closed/b.png", "c.png", "open/d.png"):
        write_image(folder / "in" / name, np.full((40, 60, 3), 99, np.uint8))
    (folder / "out").mkdir()
    for path, mode in ((folder, 0o755), (folder / "out", 0o777)):
        path.chmod(mode)
    (folder / "in" / "c.png").chmod(0)
    (folder / "in" / "closed").chmod(0)
    yield folder
    (folder / "in" / "closed").chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def pipeline() -> Pipeline:
    return load(MODELS / "fixed.onnx", detector="none")


def process(pipeline: Pipeline, place: Path) -> Summary:
    outputs = Outputs(
        place / "out", (RecordFile(find_format("json"), place / "out" / "faces.jsonl"),)
    )
    sources = expand_sources([str(place / "in")], place / "out")
    check_outputs(sources, place / "out", outputs.files)
    overlay = Overlay(Annotator(pipeline.card.landmarks))
    return run(sources, Job(FaceFinder(pipeline), overlay, outputs, workers=2), quiet=True)


def test_reports_unreadable_files_and_processes_the_others(pipeline: Pipeline, place: Path) -> None:
    with unprivileged_user():
        summary = process(pipeline, place)
    why = {Path(failure.source).name: failure.message for failure in summary.failures}
    assert why.keys() == {"c.png", "closed"}
    assert all("Permission denied" in line for line in why.values())
    written = {str(p.relative_to(place / "out")) for p in (place / "out").rglob("*.png")}
    assert written == {"a.png", "open/d.png"}
    listed = (place / "out" / "errors.jsonl").read_text().splitlines()
    assert {Path(json.loads(line)["source"]).name for line in listed} == why.keys()


def test_reports_an_unreadable_folder(place: Path) -> None:
    with unprivileged_user(), pytest.raises(SourceFolderError, match="Permission denied"):
        expand_sources([str(place / "in" / "closed")])


def test_reports_an_unwritable_output_folder_before_the_run(place: Path) -> None:
    (place / "out").chmod(0o555)
    with unprivileged_user():
        sources = expand_sources([str(place / "in" / "a.png")])
        if os.access(place / "out", os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(OutputError, match="no permission to write in"):
            check_outputs(sources, place / "out")
