"""Blocks, parts and files of a run on a cluster, without the cluster."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from record_samples import FRAME, face

from fkd_infer.cli.main import main
from fkd_infer.errors import ResumeError
from fkd_infer.media.sources import Source

pytest.importorskip("ray", reason="needs the ray extra")
blocks = pytest.importorskip("fkd_infer.ray.blocks")
parts = pytest.importorskip("fkd_infer.ray.parts")
shipping = pytest.importorskip("fkd_infer.ray.shipping")
parquet = pytest.importorskip("fkd_infer.formats.parquet")

pytestmark = pytest.mark.filterwarnings("ignore")


def photo(number: int) -> Source:
    return Source(f"{number}.jpg", "image", Path(f"{number}.jpg"), Path(f"{number}.jpg"))


def test_blocks_hold_every_source_once_and_grow() -> None:
    sources = [photo(number) for number in range(30_000)]
    found = list(blocks.blocks(iter(sources), lambda: "left out"))
    assert [source for block in found for source in block.sources] == sources
    sizes = [len(block.sources) for block in found]
    assert all(a <= b for a, b in pairwise(sizes[:-1]))
    assert (sizes[0], max(sizes)) == (8, 512)
    assert len({block.part for block in found}) == len(found)
    assert [block.note for block in found] == [*[""] * (len(found) - 1), "left out"]


def test_blocks_come_before_all_is_listed() -> None:
    listed = []

    def sources() -> object:
        for number in range(1000):
            listed.append(number)
            yield photo(number)

    next(iter(blocks.blocks(sources(), str)))
    assert len(listed) == 8


def test_a_video_is_a_block() -> None:
    video = Source("a.mp4", "video", Path("a.mp4"), Path("a.mp4"))
    found = list(blocks.blocks(iter([photo(1), video, photo(2)]), str))
    assert [[source.name for source in block.sources] for block in found] == [
        ["a.mp4"],
        ["1.jpg", "2.jpg"],
    ]


def write_part(folder: Path, name: str, completed: list[str], **settings: object) -> None:
    path = folder / f"part-{name}.parquet"
    with parquet.ParquetSink(path, metadata={"settings": settings}) as sink:
        sink.write(FRAME, [face()])
        sink.describe(parts.COMPLETED_KEY, completed)


def test_reads_what_is_complete(tmp_path: Path) -> None:
    write_part(tmp_path, "a", ["1.jpg", "Zoë.jpg"], model="m")
    write_part(tmp_path, "b", [], model="m")
    write_part(tmp_path, "c", ["2.jpg", "1.jpg"], model="m")
    completed = parts.read_completed(tmp_path, {"model": "m"})
    assert len(completed) == 3
    assert "Zoë.jpg" in completed
    assert "3.jpg" not in completed
    with pytest.raises(ResumeError, match=r"had other settings \(model\); use the same ones"):
        parts.read_completed(tmp_path, {"model": "n"})


@pytest.mark.parametrize("content", [b"", b"no table"])
def test_refuses_files_of_others(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "part-a.parquet").write_bytes(content)
    with pytest.raises(ResumeError, match=r"part-a\.parquet: not a part of a run with --ray"):
        parts.read_completed(tmp_path, {})


def test_refuses_a_table_of_a_run_on_one_machine(tmp_path: Path) -> None:
    with parquet.ParquetSink(tmp_path / "part-0.parquet") as sink:
        sink.write(FRAME, [])
    with pytest.raises(ResumeError, match="not a part of a run with --ray"):
        parts.read_completed(tmp_path, {})


def test_files_and_folders_arrive_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "there"))
    folder = tmp_path / "pack"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.png").write_bytes(b"a")
    (folder / "b.json").write_bytes(b"b")
    arrived = shipping.ShippedFile.read(folder).write()
    assert (arrived.name, (arrived / "sub" / "a.png").read_bytes()) == ("pack", b"a")
    one = shipping.ShippedFile.read(folder / "b.json").write()
    assert (one.name, one.read_bytes()) == ("b.json", b"b")
    assert shipping.ShippedFile.read(folder / "b.json").write() == one


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ray", "here", "--parquet", "d"], "--ray 'here' is not auto, local or ray://HOST:PORT"),
        (["--ray", "local", "--out", "d"], "--ray needs --parquet DIR, a folder that all nodes"),
        (["--ray", "local", "--parquet", "a.parquet"], "--ray needs --parquet DIR"),
        (["--ray", "local", "--parquet", "d", "--json", "-"], "--json is written by one machine"),
        (["--ray", "local", "--parquet", "d", "--show"], "--show is for one machine"),
        (["--ray", "local", "--parquet", "d", "--sheet", "s.jpg"], "--sheet is for one machine"),
        (["--ray", "local", "--parquet", "d", "--profile", "p"], "--profile is for one machine"),
        (["0", "--ray", "local", "--parquet", "d"], "'0' cannot be read by several machines"),
        (["-", "--ray", "local", "--parquet", "d"], "'-' cannot be read by several machines"),
        (["rtsp://a/b", "--ray", "local", "--parquet", "d"], "cannot be read by several machines"),
    ],
)
def test_refuses_what_a_cluster_cannot_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    done = CliRunner().invoke(main, ["a.png", *options])
    assert done.exit_code == 2
    assert message in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png"]
