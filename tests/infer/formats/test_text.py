"""Text files appear when they are complete, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from record_samples import FRAME, face

from fkd_infer.errors import OutputError
from fkd_infer.formats.csv_table import CsvSink
from fkd_infer.formats.json_lines import JsonLinesSink
from fkd_infer.formats.text import TextSink


@pytest.mark.parametrize("kind", [JsonLinesSink, CsvSink])
class TestFiles:
    def test_appears_at_the_end(self, kind: type[CsvSink], tmp_path: Path) -> None:
        path = tmp_path / "out"
        path.write_text("before")
        with kind(path) as sink:
            sink.write(FRAME, [face()])
            assert path.read_text() == "before"
        assert "0.9877" in path.read_text()
        assert list(tmp_path.iterdir()) == [path]

    def test_leaves_nothing_after_an_exception(self, kind: type[CsvSink], tmp_path: Path) -> None:
        def fail() -> None:
            with kind(tmp_path / "out") as sink:
                sink.write(FRAME, [face()])
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert list(tmp_path.iterdir()) == []

    def test_does_not_rename_errors_of_the_block(
        self, kind: type[TextSink], tmp_path: Path
    ) -> None:
        with pytest.raises(BrokenPipeError), kind(tmp_path / "out"):
            raise BrokenPipeError

    def test_reports_a_folder_that_cannot_be_made(
        self, kind: type[TextSink], tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="file/out: cannot be written"):
            kind(tmp_path / "file" / "out").__enter__()

    def test_reports_a_full_disk(
        self, kind: type[CsvSink], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        full = Path("/dev/full")
        if not full.exists():
            pytest.skip("needs /dev/full")
        monkeypatch.setattr("fkd_infer.formats.text._open_text", lambda _: full.open("w"))
        with pytest.raises(OutputError, match="No space left"), kind(tmp_path / "out") as sink:
            sink.write(FRAME, [face()])
