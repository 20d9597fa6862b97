"""A page for browsers is written with networks that onnxruntime-web runs, and with no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from built_page import write_built_page
from click.testing import CliRunner
from npm_package import WEB, find_npm

from fkd_infer.models.shipped import find_model
from fkd_infer.web.page import MODEL, WebPage
from fkd_train.cli.export import main
from fkd_train.errors import RunError
from fkd_train.runtimes import web_page
from fkd_train.runtimes.check import RuntimeResult
from fkd_train.runtimes.web_page import write_web_page


@pytest.fixture
def page(tmp_path: Path) -> WebPage:
    return WebPage.open(write_built_page(tmp_path / "built"))


@pytest.fixture
def _node(monkeypatch: pytest.MonkeyPatch) -> None:
    find_npm()
    monkeypatch.setenv("FKD_NODE_MODULES", str(WEB / "node_modules"))


@pytest.mark.usefixtures("_node")
def test_a_network_that_runs_is_in_the_page(
    page: WebPage, fixed_model: Path, tmp_path: Path
) -> None:
    check = write_web_page(fixed_model, page, tmp_path / "site")
    assert check.unchecked is None
    assert check.largest_px is not None
    assert check.largest_px < 0.01
    assert (tmp_path / "site" / MODEL).read_bytes() == fixed_model.read_bytes()


def test_for_one_that_does_not_run_nothing_is_written(
    page: WebPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = RuntimeResult("onnxruntime-web", "1.30.0", 4.2, 0.0, "faces", None, "differs")
    monkeypatch.setattr(web_page, "compare_runtimes", lambda *_: [result])
    with pytest.raises(
        RunError, match=r"onnxruntime-web 1\.30\.0 does not run it equally: differs"
    ):
        write_web_page(find_model("fkdnet-int8"), page, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_without_node_it_says_that_nothing_was_checked(
    page: WebPage, fixed_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    check = write_web_page(fixed_model, page, tmp_path / "site")
    assert str(check).startswith("not checked in onnxruntime-web: node is not installed")
    assert (tmp_path / "site" / "index.html").is_file()


@pytest.mark.usefixtures("_node")
@pytest.mark.slow
def test_the_command_writes_both(tmp_path: Path, page: WebPage) -> None:
    out, site = tmp_path / "net.onnx", tmp_path / "site"
    checkpoint = find_model("fkdnet").with_suffix(".pt")
    arguments = [str(checkpoint), "--out", str(out), "--web", str(site)]
    done = CliRunner().invoke(main, [*arguments, "--web-page", str(page.folder)])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == f"{site} is the page, for any host of files by https"
    assert (site / MODEL).read_bytes() == out.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--web-page", "page"], "--web-page needs --web DIR"),
        (["--web", "site", "--end-to-end"], "--web is for a single file of a landmark network"),
        (["--web", "site", "--web-page", "none"], "the page for browsers is not there"),
    ],
)
def test_mistakes_are_found_before_anything_is_exported(
    arguments: list[str], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["run", "--out", "net.onnx", *arguments])
    assert done.exit_code != 0
    assert problem in done.output
    assert list(tmp_path.iterdir()) in ([], [tmp_path / "cache"])
