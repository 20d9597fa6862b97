"""Formats from the registry's rows, and from entry points of other packages."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from record_samples import ALL_EXTRAS, FRAME, INSTALLED, face
from repo_paths import DOCS

from fkd_infer.errors import OutputError, SettingsError
from fkd_infer.formats.registry import BUILT_IN, RecordFile, RecordFormat, find_format
from fkd_infer.landmarks.schemes import IBUG68

PAGE = (DOCS / "reference" / "formats.md").read_text("utf-8")
GOOD = "from fkd_infer import RecordFormat\nFORMAT = RecordFormat('tsv', '', print)"
SPOOLED = [row for row in BUILT_IN if not row.to_stdout]


def install(folder: Path, name: str, code: str, package: str = "fkd_tsv") -> None:
    """Installs a package that registers `code`'s FORMAT under a name."""
    (folder / f"{package}.py").write_text(code)
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[fkd.formats]\n{name} = {package}:FORMAT\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose packages count as installed."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "fkd_tsv", raising=False)
    return folder


@pytest.mark.parametrize("row", INSTALLED, ids=lambda row: row.name)
def test_writes_each_format(row: RecordFormat, tmp_path: Path) -> None:
    path = tmp_path / f"faces{row.file_suffix}"
    with RecordFile(row, path).open(IBUG68, ALL_EXTRAS) as sink:
        sink.write(FRAME, [face()])
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_size > 500


def test_adds_extras_where_the_format_has_fields_for_them(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for row in INSTALLED:
            sink = RecordFile(row, tmp_path / f"{row.name}{row.file_suffix}").open(
                IBUG68, ALL_EXTRAS
            )
            stack.enter_context(sink).write(FRAME, [face()])
    with_extras = {path.stem for path in tmp_path.iterdir() if b"yaw" in path.read_bytes()}
    assert with_extras - {"parquet"} == {"json", "csv"}, "npz has them as UTF-32, COCO not at all"


@pytest.mark.parametrize("row", [r for r in BUILT_IN if not r.to_stdout], ids=lambda r: r.name)
def test_does_not_print_what_is_put_together_at_the_end(row: RecordFormat) -> None:
    with pytest.raises(OutputError, match="name of a file"):
        RecordFile(row, Path("-"))


def test_docs_list_each_format() -> None:
    table = PAGE.partition("| option |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `--(\w+)` \|.*\| (yes|no) \|$", table, re.MULTILINE)
    assert rows == [(row.name, "yes" if row.to_stdout else "no") for row in BUILT_IN]


def test_uses_the_plugin_that_docs_describe(site: Path, tmp_path: Path) -> None:
    section = PAGE.partition("## Formats of your own")[2]
    code, toml = (
        section.partition(f"```{language}\n")[2].partition("```")[0]
        for language in ("python", "toml")
    )
    assert 'tsv = "fkd_tsv:FORMAT"' in toml
    install(site, "tsv", code)
    path = tmp_path / "faces.tsv"
    with RecordFile(find_format("tsv"), path).open(IBUG68) as sink:
        sink.write(FRAME, [face(), face()])
    assert path.read_text("utf-8") == "trip/Zoë.mp4\t3\t1.00\t2.00\t30.33\t41.00\n" * 2


def test_built_in_formats_win(site: Path) -> None:
    install(site, "json", "raise RuntimeError")
    assert find_format("json") is BUILT_IN[0]


def test_names_all_formats_when_one_does_not_exist(site: Path) -> None:
    install(site, "tsv", GOOD)
    known = "there are json, csv, coco, npz, parquet, tsv"
    with pytest.raises(SettingsError, match=f"^record format 'xml' does not exist; {known}$"):
        find_format("xml")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import nowhere", "does not load: ModuleNotFoundError: No module named 'nowhere'"),
        ("raise ValueError('one\\ntwo')", "does not load: ValueError: one two"),
        ("", "does not load: AttributeError: module 'fkd_tsv' has no attribute 'FORMAT'"),
        ("FORMAT = 3", "is of type int, not RecordFormat"),
        ("raise SystemExit(3)", "does not load: SystemExit: 3"),
        (GOOD.replace("'tsv'", "'csv2'"), "is named 'csv2'"),
    ],
)
def test_reports_a_broken_plugin_in_one_line(site: Path, code: str, problem: str) -> None:
    install(site, "tsv", code)
    with pytest.raises(SettingsError) as caught:
        find_format("tsv")
    entry = "entry point 'tsv' in fkd.formats of fkd_tsv 1.0 (fkd_tsv:FORMAT)"
    assert str(caught.value) == (
        f"record format 'tsv' cannot be used: {entry} {problem}; update or uninstall the package"
    )


@pytest.mark.parametrize(
    ("sink", "problem"),
    [
        ("lambda *_: None", "gave NoneType, which is no RecordSink"),
        ("lambda *_: 1 / 0", "failed to open: ZeroDivisionError: division by zero"),
    ],
)
def test_reports_a_plugin_that_opens_no_sink(
    site: Path, tmp_path: Path, sink: str, problem: str
) -> None:
    code = f"import fkd_infer; FORMAT = fkd_infer.RecordFormat('tsv', '', {sink})"
    install(site, "tsv", code)
    with pytest.raises(SettingsError, match=f"^record format 'tsv' {problem}; update or uninstall"):
        RecordFile(find_format("tsv"), tmp_path / "faces.tsv").open(IBUG68)


def test_reports_two_plugins_of_one_name(site: Path) -> None:
    install(site, "tsv", GOOD)
    install(site, "tsv", GOOD, "other_tsv")
    with pytest.raises(SettingsError, match=r"fkd_tsv 1\.0 and other_tsv 1\.0 both register 'tsv'"):
        find_format("tsv")
