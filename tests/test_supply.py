"""The files of a release: hashed requirements, audits, SBOMs and checksums."""

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
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
from npm_package import find_npm
from packaging.requirements import Requirement

from fkd_infer.system.files.reading import file_sha256
from fkd_infer.web.page import WebPage
from tools import audit, release, sbom
from tools.audit import Audit, parse_audit
from tools.pins import EXTRAS, REQUIREMENTS, ROOT, Pin, canonical, read_pins
from tools.project_urls import project_urls

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = {
    canonical(line.partition("==")[0]): line.partition("==")[2]
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if "==" in line
}
UNCONSTRAINED = re.compile(r"nvidia-.*|cuda-.*|triton|setuptools|httpx2-jsfetch")
"""Packages that constraints.txt may lack: only GPUs, Python 3.12 or browsers need them."""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="compares with the packages installed on Linux"
)


def pins(file: str) -> dict[str, Pin]:
    return {pin.name: pin for pin in read_pins(REQUIREMENTS / f"{file}.txt")}


def requirements_of(file: str) -> Iterator[Requirement]:
    """All requirements of fkd on this machine, followed through the installed packages."""
    direct = [*PROJECT["dependencies"]]
    for extra in EXTRAS[file]:
        direct += PROJECT["optional-dependencies"][extra]
    queue, visited = [Requirement(text) for text in direct], set()
    while queue:
        requirement = queue.pop()
        yield requirement
        if (key := (canonical(requirement.name), *sorted(requirement.extras))) in visited:
            continue
        visited.add(key)
        try:
            indirect = distribution(requirement.name).requires or []
        except PackageNotFoundError:
            continue
        extras = ("", *requirement.extras)
        for candidate in map(Requirement, indirect):
            marker = candidate.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
                queue.append(candidate)


@pytest.mark.parametrize("file", EXTRAS)
def test_pins_satisfy_all_requirements(file: str) -> None:
    pinned = pins(file)
    for requirement in requirements_of(file):
        pin = pinned.get(canonical(requirement.name))
        assert pin is not None, requirement.name
        assert requirement.specifier.contains(pin.version), f"{pin} does not satisfy {requirement}"


@pytest.mark.parametrize("file", EXTRAS)
def test_pins_are_the_versions_of_constraints(file: str) -> None:
    for pin in read_pins(REQUIREMENTS / f"{file}.txt"):
        if pin.name in PINNED:
            assert pin.version == PINNED[pin.name], pin.name
        else:
            assert UNCONSTRAINED.fullmatch(pin.name), f"{pin.name} is not in constraints.txt"
            assert file != "runtime-cpu", f"{pin.name} is not in constraints.txt"


@pytest.mark.parametrize("file", EXTRAS)
def test_hashed_requirements_name_no_index_or_path(file: str) -> None:
    text = (REQUIREMENTS / f"{file}.txt").read_text()
    assert not re.search(r"://|--(?:extra-)?index|--find-links|--trusted|(?m:^\s*/)| @ ", text)
    pinned = read_pins(REQUIREMENTS / f"{file}.txt")
    assert len({pin.name for pin in pinned}) == len(pinned) > 10
    for pin in pinned:
        assert len(set(pin.hashes)) == len(pin.hashes) > 0


@pytest.mark.parametrize(
    "line", ["numpy", "numpy==2.4.6", "numpy>=2 \\\n    --hash=sha256:" + "0" * 64, "-r other.txt"]
)
def test_refuses_a_line_without_version_or_hash(tmp_path: Path, line: str) -> None:
    (tmp_path / "some.txt").write_text(f"# a comment\n{line}\n")
    with pytest.raises(ValueError, match=r"some\.txt: not a package with version and sha256"):
        read_pins(tmp_path / "some.txt")


SAFE = {"name": "numpy", "version": "2.4.6", "vulns": []}
VULNERABLE = {
    "name": "pillow",
    "version": "1.0",
    "vulns": [{"id": "CVE-1", "fix_versions": ["1.1", "2.0"]}, {"id": "CVE-2", "fix_versions": []}],
}
SKIPPED = {"name": "lap", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ([SAFE], Audit()),
        (
            [SAFE, VULNERABLE],
            Audit(
                (
                    "pillow 1.0: CVE-1, fixed in 1.1, 2.0",
                    "pillow 1.0: CVE-2, fixed in no version yet",
                )
            ),
        ),
        ([SAFE, SKIPPED], Audit((), "the service does not know 1 of 2 packages")),
    ],
)
def test_parses_the_report_of_pip_audit(packages: list[dict[str, Any]], expected: Audit) -> None:
    assert parse_audit(json.dumps({"dependencies": packages, "fixes": []})) == expected


def test_an_audit_without_a_report_is_incomplete() -> None:
    assert parse_audit("", "a\nno route").incomplete == "no route"
    assert parse_audit("[]").incomplete == "pip-audit printed nothing"


def use_proxy(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--strict"], 1)])
def test_reports_an_unreachable_service_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    use_proxy(monkeypatch, port)
    assert audit.main(options) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"runtime-cpu: not audited: .+\n", err)


def test_stops_waiting_for_a_silent_service(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use_proxy(monkeypatch, silent.getsockname()[1])
        started = time.monotonic()
        result = audit.audit(REQUIREMENTS / "runtime-cpu.txt", 2)
    assert result == Audit(incomplete="no answer within 2 s")
    assert time.monotonic() - started < 20


def test_fails_for_a_vulnerability(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "audit", lambda path: Audit(("numpy 1: CVE-1",), "and so on"))
    assert audit.main([]) == 1
    assert "runtime-cpu: numpy 1: CVE-1\n" in capsys.readouterr().err
    monkeypatch.setattr(audit, "audit", lambda path: Audit())
    assert audit.main(["--strict"]) == 0
    assert audit.main(["--loose"]) == 2


@pytest.mark.parametrize("runtime", sbom.RUNTIMES)
def test_an_sbom_lists_all_packages_and_models(runtime: str) -> None:
    text = sbom.sbom(runtime, 1_700_000_000)
    document = json.loads(text)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["timestamp"].startswith("2023-11-14T22:13:20")
    assert document["metadata"]["component"]["name"] == "fkd"
    components = {component["name"]: component for component in document["components"]}
    pinned = pins(runtime)
    assert set(components) == {*pinned, *(path.name for path in sbom.shipped_models())}
    for name, pin in pinned.items():
        assert components[name]["purl"] == f"pkg:pypi/{name}@{pin.version}"
        (files,) = components[name]["externalReferences"]
        assert {file_hash["content"] for file_hash in files["hashes"]} == set(pin.hashes)
        if name in PINNED and runtime == "runtime-cpu":
            assert components[name]["licenses"], name
    for model in sbom.shipped_models():
        component = components[model.name]
        assert component["type"] == "machine-learning-model"
        assert component["hashes"] == [{"alg": "SHA-256", "content": file_sha256(model)}]
        assert "research" in component["licenses"][0]["license"]["name"]
    (root, *_) = document["dependencies"]
    assert root["ref"] == "fkd"
    assert set(root["dependsOn"]) == {part["bom-ref"] for part in components.values()}
    assert sbom.sbom(runtime, 1_700_000_000) == text


def test_writes_an_sbom_for_each_runtime(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tools.sbom", str(tmp_path / "new")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    names = [Path(line).name for line in result.stdout.splitlines()]
    assert names == sorted(path.name for path in (tmp_path / "new").iterdir())
    assert [name.rpartition("-")[2] for name in names] == ["cpu.cdx.json", "gpu.cdx.json"]


def test_sha256sum_accepts_the_checksums(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"2")
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / release.SUMS).write_text(release.checksums(tmp_path))
    checked = subprocess.run(
        ["sha256sum", "--strict", "--check", release.SUMS],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout) == (0, "a: OK\nb: OK\n")


@pytest.mark.parametrize("home", ["", "https://example.org/somebody/fkd/"])
def test_the_metadata_has_the_addresses_of_the_home_that_is_named(
    monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.setenv("FKD_HOMEPAGE", home)
    metadata = project_metadata(str(ROOT))
    urls = dict(metadata.core.urls)
    assert urls == project_urls(home)
    assert urls.get("Issues", "") == (f"{home}issues" if home else "")


def project_metadata(folder: str) -> ProjectMetadata[Any]:
    """The metadata that the wheel gets."""
    return ProjectMetadata(folder, PluginManager())


@pytest.mark.slow
def test_a_release_is_reproducible(tmp_path: Path) -> None:
    find_npm()
    files = release.release(tmp_path / "one", 1_700_000_000)
    names = [path.name for path in files]
    assert len(names) == 8
    assert {"SHA256SUMS", "runtime-cpu.txt", "runtime-gpu.txt"} < set(names)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path / "two"],
        cwd=ROOT, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
        check=True, capture_output=True,
    )  # fmt: skip
    (again,) = (tmp_path / "two").iterdir()
    assert again.read_bytes() == (tmp_path / "one" / again.name).read_bytes(), (
        "the wheel from the sdist differs from the wheel from the tree"
    )
    with ZipFile(next(path for path in files if path.suffix == ".whl")) as wheel:
        for model in sbom.shipped_models():
            assert wheel.read(f"fkd_infer/models/files/{model.name}") == model.read_bytes()
    (archive,) = (path for path in files if path.suffix == ".zip")
    with ZipFile(archive) as page:
        page.extractall(tmp_path)
    assert "index.html" in WebPage.open(tmp_path / archive.stem).paths
    release.archive(tmp_path / archive.stem, tmp_path / archive.name, 1_700_000_000)
    assert (tmp_path / archive.name).read_bytes() == archive.read_bytes()


@pytest.mark.parametrize("page", ["SECURITY.md", "CONTRIBUTING.md"])
def test_pages_name_existing_files_options_and_targets(page: str) -> None:
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
