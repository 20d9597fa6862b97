"""Full disks, lack of memory, limits, two runs at once, and runs that resume."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from faults.killed_runs import read_outputs
from faults.media_bytes import bomb, video
from tiny_models import MODELS

from fkd_infer.cli.main import main
from fkd_infer.errors import OutputError
from fkd_infer.media.images.writing import write_image
from fkd_infer.system.files.atomic import atomic_write

PHOTOS = 12
ENDED = "the run stopped there: results so far are kept"


def arguments(folder: Path, out: Path, *more: str) -> list[str]:
    place = [str(folder), "--out", str(out / "pictures"), "--json", str(out / "faces.jsonl")]
    model = ["--model", str(MODELS / "fixed.onnx"), "--detector", "none"]
    return [*place, *model, *more]


def command(folder: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "fkd_infer.cli.main", *arguments(folder, out, *more)]


def infer(
    folder: Path, out: Path, *more: str, before: Callable[[], None] | None = None
) -> tuple[int, str]:
    """Exit code and stderr of a run; with `before`, which sets limits, in its own process."""
    if before is None:
        result = CliRunner().invoke(main, arguments(folder, out, *more), catch_exceptions=False)
        return result.exit_code, result.stderr
    done = subprocess.run(
        command(folder, out, *more),
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=before,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def set_limit(kind: int, limit: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (limit, limit))


def errors(out: Path) -> dict[str, dict[str, Any]]:
    text = (out / "pictures" / "errors.jsonl").read_text()
    return {Path(line["source"]).name: line for line in map(json.loads, text.splitlines())}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(PHOTOS):
        image = rng.integers(0, 256, (40, 60, 3), np.uint8)
        write_image(tmp_path / "in" / f"{number:02d}.png", image)
    return tmp_path / "in"


@pytest.fixture
def expected(photos: Path, tmp_path: Path) -> dict[str, object]:
    """The outputs of an undisturbed run."""
    code, stderr = infer(photos, tmp_path / "expected")
    assert code == 0, stderr
    return read_outputs(tmp_path / "expected")


@pytest.fixture
def unfinished(photos: Path, expected: dict[str, object], tmp_path: Path) -> Path:
    """The outputs of a run over the photos and bad.png, which failed."""
    assert expected
    (photos / "bad.png").write_text("hello")
    assert infer(photos, tmp_path / "out")[0] == 3
    return tmp_path / "out"


class TestFullDisks:
    def test_records_that_do_not_fit_end_the_run_which_can_be_resumed(
        self, photos: Path, expected: dict[str, object], tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        code, stderr = infer(photos, out, before=set_limit(resource.RLIMIT_FSIZE, 10_000))
        assert code == 1
        assert "File too large" in stderr
        assert ENDED in stderr
        assert not (out / "faces.jsonl").exists()
        assert not list(out.rglob("*.part")), "no partial file is left"
        code, stderr = infer(photos, out, "--resume")
        assert code == 0, stderr
        assert "complete from an earlier run" in stderr
        assert read_outputs(out) == expected

    def test_old_records_stay_if_new_ones_do_not_fit(self, photos: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        infer(photos, out)
        old = (out / "faces.jsonl").read_bytes()
        code, _ = infer(photos, out, before=set_limit(resource.RLIMIT_FSIZE, 10_000))
        assert code == 1
        assert (out / "faces.jsonl").read_bytes() == old

    def test_a_picture_that_does_not_fit_fails_alone(self, photos: Path, tmp_path: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
        write_image(photos / "large.png", noise)
        (photos / "film.mp4").write_bytes(video(frames=50, size=(1280, 960)))
        out = tmp_path / "out"
        code, _ = infer(
            photos, out, "--quality", "100", before=set_limit(resource.RLIMIT_FSIZE, 90_000)
        )
        assert code == 3
        assert errors(out).keys() == {"large.png", "film.mp4"}
        assert all("cannot be written" in error["message"] for error in errors(out).values())
        assert len(list((out / "pictures").glob("*.png"))) == PHOTOS
        assert not list(out.rglob("*.part"))

    def test_a_run_on_a_full_disk_can_be_resumed(self, photos: Path, tmp_path: Path) -> None:
        with small_disk(tmp_path / "disk", 200_000) as disk:
            (disk / "rest").write_bytes(bytes(150_000))
            code, stderr = infer(photos, disk / "out")
            assert code == 1
            assert "No space left on device" in stderr
            assert not (disk / "out" / "faces.jsonl").exists()
            (disk / "rest").unlink()
            code, stderr = infer(photos, disk / "out", "--resume")
            assert code == 0, stderr
            assert len((disk / "out" / "faces.jsonl").read_text().splitlines()) == PHOTOS
            assert not list((disk / "out").rglob("*.part"))


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes; skips the test if it cannot be mounted."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


class TestMemory:
    def test_runs_a_batch_in_halves_if_memory_is_short(self) -> None:
        script = """
import resource
import numpy as np
from fkd_infer.runtime.session import LandmarkSession
session = LandmarkSession("fkdnet", "cpu")
side, channels = session.card.input.size, session.card.input.channels
crops = np.random.default_rng(0).integers(0, 256, (512, side, side, channels), np.uint8)
expected = np.concatenate([session.run(crops[i : i + 8]).points for i in range(0, 512, 8)])
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (40 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
found = session.run(crops).points
assert session._max_batch and session._max_batch < 512
assert np.abs(found - expected).max() < 1e-4
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "too little memory for 512 faces at once; going on with 256" in done.stderr

    def test_a_photo_that_needs_too_much_memory_fails_alone(
        self, photos: Path, tmp_path: Path
    ) -> None:
        (photos / "vast.png").write_bytes(bomb(15_000))
        out = tmp_path / "out"
        limit = set_limit(resource.RLIMIT_AS, 1500 << 20)
        code, stderr = infer(photos, out, "--limit-memory", "100000", before=limit)
        assert code == 3, stderr
        assert errors(out).keys() == {"vast.png"}
        assert "memory" in errors(out)["vast.png"]["message"]

    def test_refuses_a_photo_over_the_memory_limit_before_decoding(
        self, photos: Path, tmp_path: Path
    ) -> None:
        (photos / "vast.png").write_bytes(bomb(15_000))
        out = tmp_path / "out"
        code, _ = infer(photos, out, before=set_limit(resource.RLIMIT_AS, 1500 << 20))
        assert code == 3
        assert "raise --limit-memory" in errors(out)["vast.png"]["message"]


class TestLimits:
    @pytest.mark.parametrize(
        ("option", "value", "why"),
        [
            ("--limit-pixels", "0.002", "60 × 40 pixels, but 0.002 million are allowed"),
            ("--limit-frames", "7", "more than 7 frames"),
            ("--limit-seconds", "0.2", "it goes on after 0.2 s"),
        ],
    )
    def test_sources_over_a_limit_fail(
        self, tmp_path: Path, option: str, value: str, why: str
    ) -> None:
        folder, out = tmp_path / "in", tmp_path / "out"
        write_image(folder / "a.png", np.zeros((40, 60, 3), np.uint8))
        (folder / "b.mp4").write_bytes(video(frames=12))
        code, _ = infer(folder, out, option, value)
        assert code == 3
        failed = errors(out)
        assert any(why in error["message"] for error in failed.values())
        assert all(option in error["message"] for error in failed.values())
        assert failed.keys() == ({"a.png", "b.mp4"} if "pixels" in option else {"b.mp4"})

    def test_keeps_frames_before_the_limit(self, tmp_path: Path) -> None:
        folder, out = tmp_path / "in", tmp_path / "out"
        folder.mkdir()
        (folder / "b.mp4").write_bytes(video(frames=12))
        infer(folder, out, "--limit-frames", "7")
        assert len((out / "faces.jsonl").read_text().splitlines()) == 7
        assert (out / "pictures" / "b.mp4").stat().st_size > 0


class TestTwoRuns:
    def test_refuses_the_same_run_twice_at_once(self, photos: Path, tmp_path: Path) -> None:
        out, pipe = tmp_path / "out", tmp_path / "in" / "99.mp4"
        (photos / "99.mp4").write_bytes(video(frames=2000, size=(320, 240)))
        first = subprocess.Popen(command(photos, out), stderr=subprocess.PIPE)
        with first:
            until = time.monotonic() + 60
            while not list(out.glob("pictures/*.png")) and time.monotonic() < until:
                time.sleep(0.01)
            code, stderr = infer(photos, out)
            assert code == 1
            assert "another run of the same sources is writing here" in stderr
            first.terminate()
            first.communicate(timeout=60)
        assert first.returncode in (0, 130)
        assert pipe.exists()

    def test_two_runs_into_one_folder_lose_nothing(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        runs: list[subprocess.Popen[bytes]] = []
        for name in "ab":
            folder = tmp_path / name
            for number in range(10):
                write_image(folder / f"{name}{number}.png", np.full((40, 60, 3), 99, np.uint8))
            (folder / f"bad {name}.png").write_text("hello")
            records = ["--json", str(out / f"{name}.jsonl")]
            runs.append(subprocess.Popen([*command(folder, out), *records]))
        assert [one.wait(timeout=60) for one in runs] == [3, 3]
        assert len(list((out / "pictures").glob("*.png"))) == 20
        assert errors(out).keys() == {"bad a.png", "bad b.png"}
        assert not list(out.rglob("*.part"))

    def test_threads_writing_one_file_leave_one_complete_version(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        texts = [f"{number}" * 100_000 for number in range(8)]

        def write(text: str) -> None:
            for _ in range(20):
                with atomic_write(path) as partial:
                    partial.write_text(text)

        threads = [threading.Thread(target=write, args=(text,)) for text in texts]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            if path.exists():
                assert path.read_text() in texts
        for thread in threads:
            thread.join()
        assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


class TestResume:
    def test_skips_completed_sources(
        self, photos: Path, expected: dict[str, object], tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        (photos / "05.png").rename(tmp_path / "05.png")
        (photos / "05.png").write_text("hello")
        code, _ = infer(photos, out)
        assert code == 3
        times = {p.name: p.stat().st_mtime_ns for p in (out / "pictures").glob("*.png")}
        (tmp_path / "05.png").rename(photos / "05.png")
        code, stderr = infer(photos, out, "--resume")
        assert code == 0
        assert f"{PHOTOS - 1} sources were complete from an earlier run" in stderr
        assert read_outputs(out) == expected, "the list of errors is removed"
        now = {p.name: p.stat().st_mtime_ns for p in (out / "pictures").glob("*.png")}
        assert {name for name in now if now[name] != times.get(name)} == {"05.png"}

    @pytest.mark.parametrize("what", ["source", "picture gone", "picture changed"])
    def test_processes_changed_sources_again(
        self, photos: Path, expected: dict[str, object], unfinished: Path, what: str
    ) -> None:
        (photos / "bad.png").unlink()
        picture = unfinished / "pictures" / "03.png"
        if what == "source":
            os.utime(photos / "03.png", ns=(1, 1))
        elif what == "picture gone":
            picture.unlink()
        else:
            picture.write_bytes(b"other")
        code, stderr = infer(photos, unfinished, "--resume")
        assert code == 0
        assert f"{PHOTOS - 1} sources were complete" in stderr
        assert read_outputs(unfinished) == expected

    def test_refuses_other_options(self, photos: Path, unfinished: Path) -> None:
        code, stderr = infer(photos, unfinished, "--resume", "--draw", "mesh", "--stride", "2")
        assert code == 1
        assert "other settings (--draw, --stride)" in stderr
        code, _ = infer(photos, unfinished, "--draw", "mesh")
        assert code == 3, "without --resume it starts again"

    @pytest.mark.parametrize("left", [0, 10, -1, -700])
    def test_reads_a_truncated_journal_as_far_as_it_goes(
        self, photos: Path, expected: dict[str, object], unfinished: Path, left: int
    ) -> None:
        (photos / "bad.png").unlink()
        (journal,) = (unfinished / "pictures").glob(".fkd-*.journal")
        journal.write_bytes(journal.read_bytes()[:left])
        code, _ = infer(photos, unfinished, "--resume")
        assert code == 0
        assert read_outputs(unfinished) == expected

    def test_refuses_an_invalid_journal(self, photos: Path, unfinished: Path) -> None:
        (journal,) = (unfinished / "pictures").glob(".fkd-*.journal")
        journal.write_bytes(b"\xff\xfe nonsense\n" * 9)
        code, stderr = infer(photos, unfinished, "--resume")
        assert code == 1
        assert "not a journal of a run; start from the beginning without --resume" in stderr

    def test_leaves_no_hidden_file_after_a_complete_run(self, photos: Path, tmp_path: Path) -> None:
        infer(photos, tmp_path / "out")
        assert not list((tmp_path / "out").rglob(".*"))

    @pytest.mark.parametrize("more", [["--sheet", "s.png"], ["--json", "-"]])
    def test_refuses_to_resume_without_output_files_and_with_a_sheet(
        self, photos: Path, tmp_path: Path, more: list[str]
    ) -> None:
        given = [sys.executable, "-m", "fkd_infer.cli.main", str(photos), "--resume", *more]
        done = subprocess.run(given, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 2
        assert "--resume" in done.stderr


class TestNames:
    def test_does_not_replace_a_pipe(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        with pytest.raises(OutputError, match="it is not a file"), atomic_write(pipe):
            pass
        assert not pipe.is_file()
        assert [file.name for file in tmp_path.iterdir()] == ["pipe"]

    def test_writes_a_file_with_the_longest_name(self, tmp_path: Path) -> None:
        path = tmp_path / ("é" * 120 + ".jpg")
        with atomic_write(path) as partial:
            partial.write_text("there")
        assert path.read_text() == "there"

    def test_gives_different_names_to_outputs_of_sources_with_the_same_stem(
        self, tmp_path: Path
    ) -> None:
        folder, out = tmp_path / "in", tmp_path / "out"
        folder.mkdir()
        (folder / "a.mp4").write_bytes(video())
        (folder / "a.avi").write_bytes(video(".mkv"))
        assert infer(folder, out)[0] == 0
        assert {p.name for p in (out / "pictures").iterdir()} == {"a.mp4", "a.avi.mp4"}


class TestDamagedJournals:
    @pytest.mark.parametrize(
        "line",
        [
            b'{"done":1}',
            b'{"done":"x","frames":-1,"source":[1,2],"picture":null}',
            b'{"done":"x","frames":9,"source":[1,2],"picture":null}',
            b'{"done":"x","frames":0,"source":"no","picture":7}',
            b'{"done":' + b"[" * 100_000,
            b'{"done":' + b"9" * 5000,
            b"\x00\xff",
        ],
    )
    def test_reads_a_journal_up_to_an_invalid_line(
        self, photos: Path, expected: dict[str, object], unfinished: Path, line: bytes
    ) -> None:
        (photos / "bad.png").unlink()
        (journal,) = (unfinished / "pictures").glob(".fkd-*.journal")
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join([*lines[:5], line + b"\n", *lines[5:]]))
        code, stderr = infer(photos, unfinished, "--resume")
        assert code == 0
        assert "2 sources were complete" in stderr
        assert read_outputs(unfinished) == expected

    def test_refuses_invalid_frames(self, photos: Path, unfinished: Path) -> None:
        (journal,) = (unfinished / "pictures").glob(".fkd-*.journal")
        lines = journal.read_bytes().splitlines(keepends=True)
        lines[1] = b'{"frame":[1,2],"faces":[[]]}\n'
        journal.write_bytes(b"".join(lines))
        code, stderr = infer(photos, unfinished, "--resume")
        assert code == 1
        assert "00.png; start from the beginning without --resume" in stderr
