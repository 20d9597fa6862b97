"""What a release is made of: pinned and hashed packages, its list of parts, its checksums."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from fkd_infer.system.files.reading import file_sha256
from tools import audit, release, sbom
from tools.audit import Verdict, ask, judge
from tools.pins import EXTRAS, FOLDER, ROOT, Pin, canonical, read_pins

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = {
    canonical(line.partition("==")[0]): line.partition("==")[2]
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if "==" in line
}
NOT_HERE = re.compile(r"nvidia-.*|cuda-.*|triton|setuptools|httpx2-jsfetch")
"""What constraints.txt need not have: it comes with GPUs, Python 3.12 or browsers alone."""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="looks at what is installed, as on Linux"
)


def pins(file: str) -> dict[str, Pin]:
    return {pin.name: pin for pin in read_pins(FOLDER / f"{file}.txt")}


def needed(file: str) -> Iterator[Requirement]:
    """What fkd needs on this machine, and what that needs, as far as it is installed."""
    own = [*PROJECT["dependencies"]]
    for extra in EXTRAS[file]:
        own += PROJECT["optional-dependencies"][extra]
    left, seen = [Requirement(text) for text in own], set()
    while left:
        one = left.pop()
        yield one
        if (key := (canonical(one.name), *sorted(one.extras))) in seen:
            continue
        seen.add(key)
        try:
            further = distribution(one.name).requires or []
        except PackageNotFoundError:
            continue
        for text in further:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in ("", *one.extras)):
                left.append(requirement)


@pytest.mark.parametrize("file", EXTRAS)
def test_the_hashed_files_hold_all_that_is_needed(file: str) -> None:
    held = pins(file)
    for one in needed(file):
        pin = held.get(canonical(one.name))
        assert pin is not None, one.name
        assert one.specifier.contains(pin.version), f"{pin} does not do for {one}"


@pytest.mark.parametrize("file", EXTRAS)
def test_the_hashed_files_are_what_is_tested(file: str) -> None:
    for pin in read_pins(FOLDER / f"{file}.txt"):
        if pin.name in PINNED:
            assert pin.version == PINNED[pin.name], pin.name
        else:
            assert NOT_HERE.fullmatch(pin.name), f"{pin.name} is not in constraints.txt"
            assert file != "runtime-cpu", f"{pin.name} is not in constraints.txt"


@pytest.mark.parametrize("file", EXTRAS)
def test_the_hashed_files_name_no_place(file: str) -> None:
    text = (FOLDER / f"{file}.txt").read_text()
    assert not re.search(r"://|--(?:extra-)?index|--find-links|--trusted|(?m:^\s*/)| @ ", text)
    pinned = read_pins(FOLDER / f"{file}.txt")
    assert len({pin.name for pin in pinned}) == len(pinned) > 10
    for pin in pinned:
        assert len(set(pin.hashes)) == len(pin.hashes) > 0


@pytest.mark.parametrize(
    "line", ["numpy", "numpy==2.4.6", "numpy>=2 \\\n    --hash=sha256:" + "0" * 64, "-r other.txt"]
)
def test_a_line_without_version_or_hash_is_no_pin(tmp_path: Path, line: str) -> None:
    (tmp_path / "some.txt").write_text(f"# a comment\n{line}\n")
    with pytest.raises(ValueError, match=r"some\.txt: not a package with version and sha256"):
        read_pins(tmp_path / "some.txt")


FINE = {"name": "numpy", "version": "2.4.6", "vulns": []}
BAD = {
    "name": "pillow",
    "version": "1.0",
    "vulns": [{"id": "CVE-1", "fix_versions": ["1.1", "2.0"]}, {"id": "CVE-2", "fix_versions": []}],
}
LEFT = {"name": "lap", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "verdict"),
    [
        ([FINE], Verdict()),
        (
            [FINE, BAD],
            Verdict(
                (
                    "pillow 1.0: CVE-1, mended in 1.1, 2.0",
                    "pillow 1.0: CVE-2, mended in no version yet",
                )
            ),
        ),
        ([FINE, LEFT], Verdict((), "the service does not know 1 of 2 packages")),
    ],
)
def test_what_the_service_says(packages: list[dict[str, Any]], verdict: Verdict) -> None:
    assert judge(json.dumps({"dependencies": packages, "fixes": []})) == verdict


def test_no_answer_is_no_good_answer() -> None:
    assert judge("", "a\nno route").unknown == "no route"
    assert judge("[]").unknown == "pip-audit said nothing"


def no_service(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--strict"], 1)])
def test_a_service_that_cannot_be_reached_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    no_service(monkeypatch, port)
    assert audit.main(options) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"runtime-cpu: not audited: .+\n", err)


def test_a_service_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        no_service(monkeypatch, silent.getsockname()[1])
        started = time.monotonic()
        assert ask(FOLDER / "runtime-cpu.txt", 2) == Verdict(unknown="no answer within 2 s")
    assert time.monotonic() - started < 8


def test_a_vulnerability_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "ask", lambda path: Verdict(("numpy 1: CVE-1",), "and so on"))
    assert audit.main([]) == 1
    assert "runtime-cpu: numpy 1: CVE-1\n" in capsys.readouterr().err
    monkeypatch.setattr(audit, "ask", lambda path: Verdict())
    assert audit.main(["--strict"]) == 0
    assert audit.main(["--loose"]) == 2


@pytest.mark.parametrize("runtime", sbom.RUNTIMES)
def test_the_list_of_parts_is_whole(runtime: str) -> None:
    text = sbom.sbom(runtime, 1_700_000_000)
    told = json.loads(text)
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    assert told["metadata"]["timestamp"].startswith("2023-11-14T22:13:20")
    assert told["metadata"]["component"]["name"] == "fkd"
    parts = {part["name"]: part for part in told["components"]}
    held = pins(runtime)
    assert set(parts) == {*held, *(path.name for path in sbom.shipped_models())}
    for name, pin in held.items():
        assert parts[name]["purl"] == f"pkg:pypi/{name}@{pin.version}"
        (files,) = parts[name]["externalReferences"]
        assert {one["content"] for one in files["hashes"]} == set(pin.hashes)
        if name in PINNED and runtime == "runtime-cpu":
            assert parts[name]["licenses"], name
    for model in sbom.shipped_models():
        part = parts[model.name]
        assert part["type"] == "machine-learning-model"
        assert part["hashes"] == [{"alg": "SHA-256", "content": file_sha256(model)}]
        assert "research" in part["licenses"][0]["license"]["name"]
    assert sbom.sbom(runtime, 1_700_000_000) == text


def test_the_list_of_parts_is_written_for_each_runtime(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tools.sbom", str(tmp_path / "new")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = [Path(line).name for line in done.stdout.splitlines()]
    assert names == sorted(path.name for path in (tmp_path / "new").iterdir())
    assert [name.rpartition("-")[2] for name in names] == ["cpu.cdx.json", "gpu.cdx.json"]


def test_checksums_are_those_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"2")
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / release.SUMS).write_text(release.checksums(tmp_path))
    checked = subprocess.run(
        ["sha256sum", "--strict", "--check", release.SUMS],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout) == (0, "a: OK\nb: OK\n")


@pytest.mark.slow
def test_a_release_is_the_same_each_time(tmp_path: Path) -> None:
    made = release.release(tmp_path / "one", 1_700_000_000)
    names = [path.name for path in made]
    assert len(names) == 7
    assert {"SHA256SUMS", "runtime-cpu.txt", "runtime-gpu.txt"} < set(names)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path / "two"],
        cwd=ROOT, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
        check=True, capture_output=True,
    )  # fmt: skip
    (again,) = (tmp_path / "two").iterdir()
    assert again.read_bytes() == (tmp_path / "one" / again.name).read_bytes(), (
        "the wheel is made from the sdist, and has to be that of the tree"
    )
    with ZipFile(next(path for path in made if path.suffix == ".whl")) as wheel:
        for model in sbom.shipped_models():
            assert wheel.read(f"fkd_infer/models/files/{model.name}") == model.read_bytes()


@pytest.mark.parametrize("page", ["SECURITY.md", "CONTRIBUTING.md"])
def test_what_the_pages_name_is_there(page: str) -> None:
    from fkd_infer.cli.live import main as live
    from fkd_infer.cli.main import main as infer

    text = (ROOT / page).read_text()
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#]+)(?:#([^)]+))?\)", text):
        titles = re.findall(r"(?m)^#+ (.+)$", (ROOT / target).read_text())
        anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert not anchor or anchor in anchors, anchor
    known = {name for command in (infer, live) for one in command.params for name in one.opts}
    for option in re.findall(r"(?m)^\| `(--[a-z-]+)` \|", text):
        assert option in known
    rules = re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text())
    for rule in re.findall(r"`make ([a-z-]+)`", text):
        assert rule in rules
