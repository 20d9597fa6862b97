"""Who is measured, and measurements themselves on tiny networks."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from repo_paths import DOCS, ROOT, SHIPPED_MODELS

from benchmarks.__main__ import main
from benchmarks.harness.environment import child_environment, choose_cores
from benchmarks.harness.results import read_runs
from benchmarks.harness.subprocesses import run_pinned
from benchmarks.networks import contenders
from benchmarks.networks.contenders import OURS, OURS_IN_PIPELINES, entries_of, gather
from benchmarks.networks.find import Network, read_networks
from benchmarks.networks.latency import measure
from benchmarks.programs.command import stage_seconds
from benchmarks.programs.photo_set import make_folder
from benchmarks.programs.scenes import Scene
from benchmarks.programs.session_settings import AGAIN, DEFAULT, choices
from fkd_infer.errors import ContenderError
from fkd_infer.media.images.file import read_image
from fkd_infer.runtime.settings import SessionSettings
from fkd_train.errors import RunError

SHIPPED = SHIPPED_MODELS / "fkdnet.onnx"


def test_a_checkpoint_is_found_by_name_and_by_its_weights(tmp_path: Path) -> None:
    places = {
        "naimishnet.onnx": ("a.onnx", "a-same.onnx"),
        "naimishnet.pt": ("z.pt",),
        "fkdnet.onnx": ("n.onnx",),
        "fkdnet.pt": ("n.pt",),
    }
    for source, names in places.items():
        for name in names:
            shutil.copy(SHIPPED_MODELS / source, tmp_path / name)
    first, second = read_networks([str(tmp_path / "a.onnx"), str(tmp_path / "n.onnx")], tmp_path)
    assert first == Network(
        "a.onnx", tmp_path / "a.onnx", tmp_path / "z.pt", (tmp_path / "a-same.onnx",)
    )
    assert second == Network("n.onnx", tmp_path / "n.onnx", tmp_path / "n.pt", ())


def test_files_of_one_network_that_are_given_are_one(tmp_path: Path) -> None:
    (tmp_path / "apart").mkdir()
    files = [tmp_path / "net.onnx", tmp_path / "apart" / "net-fast.onnx"]
    for file in files:
        shutil.copy(SHIPPED, file)
    (network,) = read_networks([str(file) for file in files], tmp_path)
    assert (network.onnx, network.variants) == (files[0], (files[1],))


def test_networks_of_one_file_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    files = [tmp_path / "one" / "net.onnx", tmp_path / "two" / "net.onnx"]
    for file, source in zip(files, ("fkdnet.onnx", "naimishnet.onnx"), strict=True):
        file.parent.mkdir()
        shutil.copy(SHIPPED_MODELS / source, file)
    networks = read_networks([str(file) for file in files], tmp_path)
    assert [network.name for network in networks] == ["one/net.onnx", "two/net.onnx"]


@pytest.mark.parametrize("name", ["absent.onnx", "recipe:absent"])
def test_a_network_that_is_not_there_is_named_in_one_line(name: str) -> None:
    done = CliRunner().invoke(main, ["latency", name])
    assert done.exit_code == 1
    assert "absent" in done.output
    assert len(done.output.splitlines()) == 1


def test_a_checkpoint_without_its_onnx_file_is_refused(tmp_path: Path) -> None:
    shutil.copy(SHIPPED_MODELS / "fkdnet.pt", tmp_path)
    with pytest.raises(RunError, match=r"there is no \.onnx of it"):
        read_networks([str(tmp_path / "fkdnet.pt")], tmp_path)


def test_everyone_takes_part_and_gpus_only_where_there_is_one() -> None:
    network = Network("net", SHIPPED, SHIPPED.with_suffix(".pt"), (Path("net-int8.onnx"),))
    on_cpu, left_out = entries_of(network, ["cpu"])
    names = [entry.name for entry in on_cpu]
    assert len(set(names)) == len(names) == 10
    assert names[0] == "torch eager"
    assert names[-1] == f"{OURS}: net-int8.onnx"
    assert left_out == {}
    both, _ = entries_of(network, ["cpu", "cuda"])
    cuda = {entry.name for entry in both if entry.device == "cuda"}
    assert cuda == {entry.name for entry in both} - set(names)
    assert len(cuda) == 3


def test_who_cannot_run_is_left_out_with_the_reason(
    fixed_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contenders, "find_spec", lambda _: None)
    field = gather(Network("fixed", fixed_model, None), 1, ["for pipelines", "OpenVINO", "compile"])
    assert [entry.name for entry in field.entries] == [OURS_IN_PIPELINES]
    assert field.left_out["torch.compile"] == "there is no checkpoint of the network"
    assert "pip install 'fkd[bench]'" in field.left_out["OpenVINO, fp32"]


def test_where_nobody_can_run_the_reasons_are_told(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(RunError, match="nothing can run it: "):
        gather(Network("broken", tmp_path / "broken.onnx", None), 1, ["as it comes"])


def test_latency_measures_and_writes(fixed_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    arguments = ["latency", str(fixed_model), "--only", OURS, "--batch", "2", "--threads", "1"]
    arguments += ["--blocks", "2", "--seconds", "0.01", "--out", str(out)]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (run,) = read_runs([out])
    assert [m.contender for m in run.measurements] == [OURS, OURS_IN_PIPELINES]
    for m in run.measurements:
        assert m.conditions == {"device": "cpu", "batch": "2", "threads": "1"}
        p50 = m.figures["p50"]
        assert p50.low is not None
        assert p50.high is not None
        assert 0 < p50.low <= p50.value <= p50.high < 100
        assert m.figures["p99"].value >= m.figures["p90"].value > 0
        assert m.figures["largest difference"].value == 0
        assert len(m.blocks) == 2


def test_the_searchs_times_are_by_file(fixed_model: Path) -> None:
    times = measure([fixed_model], batch=1, threads=1, blocks=1)
    assert list(times) == [fixed_model]
    assert len(times[fixed_model]) > 100


def test_a_child_is_kept_to_its_cores_and_its_libraries_to_their_threads() -> None:
    code = (
        "import os; assert len(os.sched_getaffinity(0)) == 1; "
        "assert os.environ['OMP_NUM_THREADS'] == os.environ['MKL_NUM_THREADS'] == '1'"
    )
    used = run_pinned("it", [sys.executable, "-c", code], 1)
    assert 0 < used.cpu_seconds < 60
    assert used.seconds > 0


def test_a_childs_memory_is_its_own_and_not_that_of_who_started_it() -> None:
    held = np.ones(100 * 2**20, np.uint8)
    small, large = (
        run_pinned("it", [sys.executable, "-c", f"x = b'1' * {size} * 2**20"], 1)
        for size in (1, 64)
    )
    assert small.peak_mib < held.nbytes / 2**20
    assert large.peak_mib > 64


def test_more_threads_than_cores_are_refused() -> None:
    with pytest.raises(RunError, match="this process may use"):
        choose_cores(len(os.sched_getaffinity(0)) + 1)


def test_latency_with_too_many_threads_is_refused_in_one_line(
    fixed_model: Path, tmp_path: Path
) -> None:
    arguments = ["latency", str(fixed_model), "--threads", "4096", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert done.output.splitlines()[-1].startswith("latency: 4096 threads: this process may use")


def test_a_program_that_fails_is_told_of_with_its_last_line() -> None:
    with pytest.raises(ContenderError, match="it could not be timed: no"):
        run_pinned("it", [sys.executable, "-c", "raise SystemExit('no')"], 1)


def test_a_child_finds_the_benchmarks_from_any_folder() -> None:
    assert child_environment(1)["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)


def test_each_choice_changes_one_default() -> None:
    base = SessionSettings(2)
    names = [choice.name for choice in choices(2)]
    assert names[:2] == [DEFAULT, AGAIN]
    for choice in choices(2)[2:]:
        changed = [
            name
            for name in ("threads", "spin", "level", "denormals_as_zero", "arena")
            if getattr(choice.settings, name) != getattr(base, name)
        ]
        assert len(changed) == (choice.name != "OpenCV on 1 thread"), choice.name
    assert "1 thread" not in [choice.name for choice in choices(1)]


@pytest.mark.parametrize("scene", [Scene(720, 1), Scene(1080, 4)], ids=lambda s: s.name)
def test_a_scenes_window_stays_on_the_photo(scene: Scene) -> None:
    pytest.importorskip("skimage", reason="needs the demo extra's photo")
    photo = scene.photo()
    width, height = scene.size
    for index in range(0, 600, 11):
        assert scene.frame(photo, index).shape == (height, width, 3)


def test_points_are_told_apart_by_the_quarter_of_the_photo_that_they_are_in() -> None:
    scene = Scene(720, 4)
    quarters = [scene.place(np.array([[x, y]], np.float32)) for y in (100, 500) for x in (300, 900)]
    assert quarters == [0, 1, 2, 3]


def test_a_folder_of_pictures_is_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("skimage", reason="needs the demo extra's photo")
    one, other = (make_folder(tmp_path / name, 6, None) for name in ("a", "b"))
    files = sorted(path.name for path in one.iterdir())
    assert len(files) == 6
    for name in files:
        assert (one / name).read_bytes() == (other / name).read_bytes()
        assert 200 <= max(read_image(one / name).shape) <= 4000
    before = (one / files[0]).stat().st_mtime_ns
    assert make_folder(tmp_path / "a", 6, None) == one
    assert (one / files[0]).stat().st_mtime_ns == before


def test_stages_are_summed_over_threads(tmp_path: Path) -> None:
    spans = [
        ("detect", 1_000_000, 1),
        ("detect", 500_000, 2),
        ("write", 250_000, 1),
        ("Conv", 9, 1),
    ]
    events = [{"ph": "X", "name": name, "dur": dur, "tid": tid} for name, dur, tid in spans]
    trace = tmp_path / "trace.json"
    trace.write_text(json.dumps({"traceEvents": [{"ph": "M", "name": "detect"}, *events]}))
    found = stage_seconds(trace)
    assert found["detect"] == pytest.approx(1.5)
    assert found["write"] == pytest.approx(0.25)
    assert found["read"] == 0


def test_every_option_is_documented() -> None:
    text = (DOCS / "benchmarks.md").read_text()
    for name, command in main.commands.items():
        section = text.partition(f"### `{name}`")[2].partition("\n### ")[0]
        assert section, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert f"`{parameter.opts[0]}" in section, f"{name} {parameter.opts[0]}"


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from benchmarks.__main__ import main; "
        "done = CliRunner().invoke(main, ['latency', '--help']); assert done.exit_code == 0; "
        "assert not {'torch', 'numpy', 'pandas', 'onnxruntime'} & sys.modules.keys()"
    )
    run_pinned("help", [sys.executable, "-c", code], 1)
