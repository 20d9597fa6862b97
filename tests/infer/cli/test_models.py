"""fkd-infer models: the list of shipped models, and checks of model files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from protobuf_bytes import field, with_added
from tiny_models import MODELS

from fkd_infer.cli.main import main
from fkd_infer.errors import ManifestError
from fkd_infer.models import verification
from fkd_infer.models.manifest import read_manifest
from fkd_infer.models.shipped import models_folder, shipped_models
from fkd_infer.system.files.reading import file_sha256

SHA256 = "0" * 64


def models(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["models", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models and a file of weights, with their manifest."""
    lines = []
    for name in ("scored.onnx", "detector.onnx"):
        path = Path(shutil.copy(MODELS / name, tmp_path))
        lines += [
            f'["{name}"]',
            f'sha256 = "{file_sha256(path)}"',
            f"bytes = {path.stat().st_size}",
        ]
    (tmp_path / "weights.pt").write_bytes(b"12345")
    digest = file_sha256(tmp_path / "weights.pt")
    lines += ['["weights.pt"]', f'sha256 = "{digest}"', "bytes = 5"]
    (tmp_path / "manifest.toml").write_text("\n".join(lines))
    return tmp_path


def test_lists_every_shipped_model() -> None:
    done = models("list")
    assert done.exit_code == 0
    head, *rows = done.output.splitlines()
    assert head.split() == ["NAME", "KIND", "MB", "POINTS", "INPUT", "ACCURACY", "FILE"]
    shipped = shipped_models() | shipped_models(detectors=True)
    assert [row.split()[0] for row in rows] == list(shipped)
    assert all(str(path) in done.output for path in shipped.values())
    by_name = {row.split()[0]: row for row in rows}
    assert "landmarks" in by_name["fkdnet"]
    assert "ibug68" in by_name["fkdnet"]
    assert "128 × 128" in by_name["fkdnet"]
    assert "NME" in by_name["fkdnet"]
    assert "recall" in by_name["fkd-detector"]


def test_shipped_models_have_no_problem() -> None:
    done = models("verify")
    assert done.exit_code == 0, done.output
    assert done.output.endswith("all is well\n")
    folder = models_folder()
    assert folder is not None
    assert len(done.output.splitlines()) == 1 + len(read_manifest(folder / "manifest.toml"))


def test_a_folder_stands_for_its_manifest(folder: Path) -> None:
    done = models("verify", folder)
    assert done.exit_code == 0, done.output
    assert [line.split(":")[0].strip() for line in done.output.splitlines()] == [
        "scored.onnx",
        "detector.onnx",
        "weights.pt",
        "all is well",
    ]
    assert models("verify", folder / "manifest.toml").output == done.output


def test_a_folder_without_a_manifest_stands_for_its_models(folder: Path) -> None:
    (folder / "manifest.toml").unlink()
    shutil.copy(MODELS / "no_card.onnx", folder)
    done = models("verify", folder)
    assert done.exit_code == 1
    names = [line.split(":")[0].split("/")[-1] for line in done.output.splitlines()]
    assert names == ["detector.onnx", "no_card.onnx", "scored.onnx", "1 problem"]


def test_checks_models_without_a_manifest() -> None:
    good, bad = MODELS / "scored.onnx", MODELS / "no_card.onnx"
    done = models("verify", good, bad, "nosuch.onnx")
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert lines[0].split() == [f"{good}:", "landmarks,", "ibug68,", "not", "measured"]
    assert lines[1].startswith(f"problem  {bad}: it has no fkd model card")
    assert lines[2:] == ["problem  nosuch.onnx: no such file", "2 problems"]


def test_prints_a_line_per_problem(folder: Path) -> None:
    scored, detector = folder / "scored.onnx", folder / "detector.onnx"
    content = bytearray(scored.read_bytes())
    content[-10] ^= 1
    scored.write_bytes(content)
    detector.write_bytes(detector.read_bytes() + b"x")
    (folder / "weights.pt").unlink()
    done = models("verify", folder)
    assert done.exit_code == 1
    first, second, third, last = done.output.splitlines()
    assert first.startswith("problem  scored.onnx: its sha256 is ")
    assert second.startswith("problem  detector.onnx: it has 1385 bytes, but 1384 in manifest.toml")
    assert "weights.pt" in third
    assert "No such file" in third
    assert last == "3 problems"


def test_checks_the_content_of_a_file_that_matches_the_manifest(folder: Path) -> None:
    path = folder / "scored.onnx"
    before = file_sha256(path)
    size = path.stat().st_size
    path.write_bytes(with_added(path.read_bytes(), [7], field(1, field(4, b"Launch"))))
    text = (folder / "manifest.toml").read_text()
    text = text.replace(before, file_sha256(path)).replace(str(size), str(path.stat().st_size))
    (folder / "manifest.toml").write_text(text)
    done = models("verify", folder)
    assert done.exit_code == 1
    assert done.output.startswith(
        "problem  scored.onnx: not a usable model: its operator 'Launch' is not allowed"
    )


def test_files_that_a_wheel_does_not_contain_are_no_problem(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing file that the wheel contains is a problem."""
    monkeypatch.setattr(verification, "models_folder", lambda: folder)
    monkeypatch.setattr(verification, "INSTALLED", folder)
    text = (folder / "manifest.toml").read_text().replace("bytes = ", "wheel = true\nbytes = ", 1)
    (folder / "manifest.toml").write_text(text)
    (folder / "detector.onnx").unlink()
    done = models("verify")
    assert done.exit_code == 0, done.output
    assert "detector.onnx: not installed here" in done.output
    (folder / "scored.onnx").unlink()
    done = models("verify")
    assert done.exit_code == 1
    assert "problem  scored.onnx" in done.output


def test_reports_missing_models_folder_and_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "models_folder", lambda: None)
    done = models("verify")
    assert done.exit_code == 1
    assert "install fkd again" in done.output
    monkeypatch.setattr(verification, "models_folder", lambda: tmp_path)
    done = models("verify")
    assert done.exit_code == 1
    assert "problem  manifest.toml: not a usable manifest: No such file" in done.output


ENTRY = f'sha256 = "{SHA256}"\nbytes = 5\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it names no files"),
        ("[", "not TOML"),
        ("a = 1", "a is 1, which is not a table"),
        ("[a]", "a.sha256 is missing"),
        (f'[a]\nsha256 = "{SHA256}"', "a.bytes is missing"),
        (f"[a]\n{ENTRY}colour = 1", "a.colour is not a field"),
        ('[a]\nsha256 = "12"\nbytes = 5', "sha256 is '12'"),
        (f'[a]\nsha256 = "{"G" * 64}"\nbytes = 5', "64 digits"),
        (f'[a]\nsha256 = "{SHA256}"\nbytes = 0', "bytes is 0"),
        (f'[a]\nsha256 = "{SHA256}"\nbytes = "5"', "a.bytes is '5'"),
        (f'[a]\nsha256 = "{SHA256}"\nbytes = true', "a.bytes is True"),
        (f'["../a"]\n{ENTRY}', "'../a' has '/'"),
        (f'["/etc/passwd"]\n{ENTRY}', "'/etc/passwd' has '/'"),
        (f'["a\\\\b"]\n{ENTRY}', "which file names cannot contain"),
        (f'[".."]\n{ENTRY}', "begins or ends with"),
        (f'["C:x"]\n{ENTRY}', "which file names cannot contain"),
        (f'["NUL.onnx"]\n{ENTRY}', "is the name of a device on Windows"),
        (f'["a\\u001b[2J"]\n{ENTRY}', "which cannot be shown"),
        (f'["a\\nb"]\n{ENTRY}', "which cannot be shown"),
        (f'[""]\n{ENTRY}', "is empty"),
        (f'["{"x" * 300}"]\n{ENTRY}', "300 characters long"),
        ("a = " + "[" * 5000 + "]" * 5000, "not TOML"),
        (f"[a]\n{ENTRY}[a]\n{ENTRY}", "not TOML"),
        ("#" * 1_000_001, "it is larger than 1 MB"),
    ],
)
def test_reports_an_invalid_manifest_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: not a usable manifest: ")
    assert str(caught.value).isprintable()
    done = models("verify", path)
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 2


def test_reports_a_manifest_that_is_not_text_or_missing(tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_bytes(b"\xff\xfe[a]")
    with pytest.raises(ManifestError, match="not UTF-8"):
        read_manifest(path)
    with pytest.raises(ManifestError, match="No such file"):
        read_manifest(tmp_path / "nosuch.toml")
