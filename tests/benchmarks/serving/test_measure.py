"""The command that measures servers, with a server in this process in place of Ray Serve."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

import fkd_infer
from benchmarks.cli.main import main
from benchmarks.harness.results import read_runs
from benchmarks.serving import measure


@pytest.fixture
def shifted(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replaces Ray Serve by a server that moves its points by the sum of this list, in pixels."""
    pytest.importorskip("skimage", reason="needs the demo extra's photo")
    pipeline = fkd_infer.load(threads=1)
    shift: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            image = fkd_infer.read_image(self.rfile.read(int(self.headers["Content-Length"])))
            faces = pipeline(image)
            for face in faces:
                face.points[:] += sum(shift)
            record = fkd_infer.frame_record(fkd_infer.Frame(image, ""), faces)
            answer = json.dumps(record).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Prints nothing."""

    @contextmanager
    def server(threads: int, replicas: int) -> Iterator[int]:
        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
            http.daemon_threads = True
            thread = threading.Thread(target=http.serve_forever)
            thread.start()
            try:
                yield http.server_address[1]
            finally:  # a server that is closed while it serves keeps a core busy for ever
                http.shutdown()
                thread.join()

    monkeypatch.setattr(measure, "ray_serve", server)
    return shift


ARGUMENTS = ["serve", "--clients", "1", "--clients", "3", "--seconds", "0.2", "--rounds", "2"]


def test_records_a_row_for_each_number_of_clients(shifted: list[float], tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    done = CliRunner().invoke(main, [*ARGUMENTS, "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0
    (run,) = read_runs([out])
    assert [m.conditions["clients"] for m in run.measurements] == ["1", "3"]
    for row in run.measurements:
        assert len(row.blocks) == 2
        assert row.figures["p50"].value <= row.figures["p90"].value <= row.figures["p99"].value
        assert row.figures["rate"].value > 0
    assert [skipped.contender for skipped in run.skipped] == ["Triton"]


def test_wrong_points_are_not_timed(shifted: list[float], tmp_path: Path) -> None:
    shifted.append(0.5)
    done = CliRunner().invoke(main, [*ARGUMENTS, "--out", str(tmp_path / "results.jsonl")])
    assert done.exit_code == 1
    assert "px from the pipeline's" in done.output.splitlines()[-1]
