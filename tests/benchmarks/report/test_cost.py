"""What many images cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from sample_measurements import latency, write_results

from benchmarks.cli.main import main
from benchmarks.harness.results import Figure, Measurement


@pytest.fixture
def results(tmp_path: Path) -> Path:
    photos = Measurement(
        "throughput",
        "2000 pictures",
        "fkd-infer",
        {"figures": "speed", "cores": "2", "output": "json"},
        {"speed": Figure(50, "pictures/s")},
    )
    gpu = Measurement(
        "gpu",
        "fkdnet",
        "cuda",
        {"part": "pipeline", "scene": "many(), 720p"},
        {"images": Figure(1000, "a second")},
    )
    cpu = Measurement(gpu.command, gpu.model, "cpu", gpu.conditions, gpu.figures)
    return write_results(tmp_path / "results.jsonl", photos, gpu, cpu, latency("ours", 1.0))


def test_tells_hours_and_prices(results: Path) -> None:
    options = ["--images", "9e6", "--core-hour", "0.05", "--gpu-hour", "2"]
    done = CliRunner().invoke(main, ["cost", str(results), *options])
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "2000 pictures as json on 2 cores: 90,000 images per core-hour; "
        "9,000,000 images take 100 core-hours and cost 5.00",
        "cuda, many(), 720p: 3,600,000 images per GPU-hour; "
        "9,000,000 images take 2 GPU-hours and cost 5.00",
    ]


def test_without_prices_there_are_hours_alone(results: Path) -> None:
    done = CliRunner().invoke(main, ["cost", str(results)])
    assert "1,000,000,000 images take 11,111 core-hours\n" in done.output
    assert "cost" not in done.output


def test_results_without_a_rate_get_one_line(tmp_path: Path) -> None:
    path = write_results(tmp_path / "results.jsonl", latency("ours", 1.0))
    done = CliRunner().invoke(main, ["cost", str(path)])
    assert done.exit_code == 1
    assert "no result of the commands throughput and gpu" in done.output
    assert len(done.output.splitlines()) == 1
