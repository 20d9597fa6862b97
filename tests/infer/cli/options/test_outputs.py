"""The options of fkd-infer that say where results go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from record_samples import INSTALLED
from tiny_models import MODELS

from fkd_infer.cli.main import main
from fkd_infer.formats.registry import BUILT_IN, RecordFormat
from fkd_infer.media.images.writing import write_image

TSV_PLUGIN = """
from contextlib import contextmanager
from fkd_infer import RecordFormat

class Sink:
    def __init__(self, path, scheme, extras):
        self.path, self.extras = path, extras
    def __enter__(self):
        return self
    def write(self, frame, faces):
        self.path.write_text(f"{len(faces)} {scheme_points(faces)} {sorted(self.extras)}")
    def __exit__(self, *error):
        pass

def scheme_points(faces):
    return len(faces[0].points)

FORMAT = RecordFormat("tsv", "counts", Sink)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a photo."""
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "a.png", np.full((40, 60, 3), 99, np.uint8))
    return tmp_path


def run(*options: str) -> Result:
    command = ["a.png", "--model", str(MODELS / "fixed.onnx"), "--detector", "none", *options]
    return CliRunner().invoke(main, command, catch_exceptions=False)


@pytest.mark.parametrize("row", INSTALLED, ids=lambda row: row.name)
def test_records_writes_built_in_formats_as_their_own_options_do(
    row: RecordFormat, folder: Path
) -> None:
    one, two = f"one{row.file_suffix}", f"two{row.file_suffix}"
    done = run("--records", f"{row.name}={one}", f"--{row.name}", two)
    assert done.exit_code == 0, done.output
    assert (folder / one).read_bytes() == (folder / two).read_bytes()


def test_records_writes_the_format_of_another_package(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = folder / "site" / "counts-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text("[fkd.formats]\ntsv = counts_plugin:FORMAT\n")
    (info.parent / "counts_plugin.py").write_text(TSV_PLUGIN)
    monkeypatch.syspath_prepend(info.parent)
    done = run("--records", "tsv=counts.tsv", "--json", "faces.jsonl", "--extras", "pose")
    assert done.exit_code == 0, done.output
    assert (folder / "counts.tsv").read_text() == "1 68 ['pose']"
    assert (folder / "faces.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--records", "json"], 2, "--records 'json' is not FORMAT=FILE, as in json=faces.jsonl"),
        (["--records", "=a"], 2, "--records '=a' is not FORMAT=FILE, as in json=faces.jsonl"),
        (["--records", "xml=a"], 1, "record format 'xml' does not exist; there are json, csv"),
        (["--records", "coco=-"], 1, "-: cannot be written: coco records cannot be printed"),
        (["--records", "json=a", "--csv", "a"], 1, "a: cannot be written: two outputs would go"),
    ],
)
def test_refuses_records(options: list[str], code: int, message: str) -> None:
    done = run(*options)
    assert (done.exit_code, done.stdout) == (code, "")
    assert message in done.stderr


def test_names_all_outputs_when_there_is_none() -> None:
    formats = ", ".join(f"--{row.name} FILE" for row in BUILT_IN)
    outputs = f"--out DIR, {formats}, --records FORMAT=FILE, --sheet FILE or --show"
    assert f"no output; use at least one of {outputs}" in run().stderr
