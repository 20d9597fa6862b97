"""Whole runs of a tiny detector on drawn faces, and what its mosaics are made of."""

from __future__ import annotations

import csv
import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from fkd_infer.errors import InstallError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.types import Detections
from fkd_train.checkpoints import (
    holds_detector,
    load_checkpoint,
    load_detector,
    load_landmark_network,
    save_checkpoint,
)
from fkd_train.cli.train import main
from fkd_train.config.detector import DetectorRecipe
from fkd_train.config.landmarks import LandmarkRecipe, landmark_recipe_to_dict
from fkd_train.data.dataset import load_split
from fkd_train.data.loader import Batch
from fkd_train.data.mosaic import MosaicGenerator
from fkd_train.data.mosaic_dataset import MosaicDataset, mosaic_generator
from fkd_train.data.other_faces import read_other_faces
from fkd_train.data.pictures import as_bgr, pictures_without_faces
from fkd_train.errors import DatasetError, RecipeError, RunError
from fkd_train.evaluation.detector_evaluation import (
    evaluate_detector,
    evaluation_sets,
    one_by_one,
    torch_find,
)
from fkd_train.ground_truth import FACE, GroundTruth
from fkd_train.models.detector import DetectorNet
from fkd_train.training import trainer as loop
from fkd_train.training.run import train

pytestmark = pytest.mark.usefixtures("one_thread")
FIGURES = ["mosaic_ap", "mosaic_recall", "photo_recall", "photo_recall_at_half"]


def log(out: Path) -> list[dict[str, str]]:
    with (out / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(
    tiny_detector: DetectorRecipe, drawn_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The folder of a run from start to end, and what it said."""
    out = tmp_path_factory.mktemp("detector") / "run"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    told = train(tiny_detector, drawn_data, out, workers=0).summary
    torch.set_num_threads(threads)
    assert told is not None
    return out, told


def test_a_run_leaves_all_that_it_promises(run: tuple[Path, str]) -> None:
    out, told = run
    names = {".lock", "recipe.json", "data.csv", "log.csv", "best.pt", "last.pt"}
    assert {path.name for path in out.iterdir()} == names
    rows = log(out)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in FIGURES)
    assert all(float(row["photo_false_at_half"]) >= 0 for row in rows)
    ap = 100 * float(rows[-1]["mosaic_ap"])
    assert told.startswith(f"average precision {ap:.2f} % on 6 mosaics")
    assert "% of 6 faces found on images" in told


def test_a_checkpoint_holds_a_detector_and_its_recipe(
    run: tuple[Path, str], tiny_detector: DetectorRecipe
) -> None:
    for name in ("best.pt", "last.pt"):
        assert holds_detector(run[0] / name)
        network, recipe, content = load_detector(run[0] / name)
        assert recipe == tiny_detector
        assert not network.training
        assert content["points"] == 5
    assert load_checkpoint(run[0] / "last.pt")["progress"]["epoch"] == 2


def test_a_run_that_is_stopped_and_resumed_ends_in_the_same_weights(
    run: tuple[Path, str],
    tiny_detector: DetectorRecipe,
    drawn_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, steps, own_step = tmp_path / "stopped", [], loop.Trainer._step

    def step(trainer: loop.Trainer, batch: Batch) -> float:
        steps.append(trainer.progress.step)
        if len(steps) == 5:  # the second of three steps in the second epoch
            os.kill(os.getpid(), signal.SIGTERM)
        return own_step(trainer, batch)

    monkeypatch.setattr(loop.Trainer, "_step", step)
    assert train(tiny_detector, drawn_data, out, workers=0).summary is None
    assert load_checkpoint(out / "last.pt")["progress"]["step"] == 2
    with pytest.raises(RunError, match="another recipe"):
        train(replace(tiny_detector, seed=1), drawn_data, out, resume=True, workers=0)
    assert train(tiny_detector, drawn_data, out, resume=True, workers=0).summary == run[1]
    assert steps == [0, 1, 2, 0, 1, 2]
    a, b = (load_checkpoint(folder / "last.pt") for folder in (out, run[0]))
    for part in ("network", "weights"):
        assert a[part].keys() == b[part].keys()
        for name, tensor in a[part].items():
            assert torch.equal(tensor, b[part][name]), f"{part}.{name}"


def test_a_size_on_the_command_line_is_that_of_the_mosaics(
    drawn_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    given = ["--recipe", "detector", "--size", "96", "--epochs", "1", "--workers", "0"]
    given += ["--split", "official", "--data", str(drawn_data), "--out", str(out)]
    for line in (
        "mosaic.per_epoch=4",
        "mosaic.validation=2",
        "mosaic.pictures=[]",
        "precision='fp32'",
        "model.widths=[8, 8, 8, 8]",
    ):
        given += ["--set", line]
    done = CliRunner().invoke(main, given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "average precision" in done.output
    assert load_detector(out / "last.pt")[1].mosaic.size == 96


def test_checkpoints_of_the_other_kind_are_one_line(
    run: tuple[Path, str], tiny: LandmarkRecipe, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"last\.pt: holds a detector, but a landmark network"):
        load_landmark_network(run[0] / "last.pt")
    content = {"recipe": landmark_recipe_to_dict(tiny), "points": 68, "weights": {}}
    save_checkpoint(tmp_path / "points.pt", {**content, "progress": {"epoch": 0}})
    assert not holds_detector(tmp_path / "points.pt")
    with pytest.raises(RunError, match=r"points\.pt: .*, but a detector is needed"):
        load_detector(tmp_path / "points.pt")
    content = load_checkpoint(run[0] / "best.pt")
    save_checkpoint(tmp_path / "few.pt", content | {"weights": {}})
    with pytest.raises(RunError, match="its weights do not fit its recipe's network"):
        load_detector(tmp_path / "few.pt")


def test_mosaics_depend_on_their_key_alone_and_have_room_for_all_faces(
    tiny_detector: DetectorRecipe, drawn_data: Path
) -> None:
    faces = load_split(drawn_data, "official", colour=True)[0]
    mosaics = MosaicDataset(mosaic_generator(tiny_detector, faces, "training"), seed=3)
    first, again, other = mosaics[1, 2], mosaics[1, 2], mosaics[2, 1]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert [tuple(part.shape) for part in first] == [(96, 96, 3), (48, 4), (48, 5, 2), (48,)]
    assert [part.dtype for part in first][1:] == [torch.float32, torch.float32, torch.int64]


@dataclass(frozen=True)
class Crowd(MosaicGenerator):
    """Mosaics of a hundred faces."""

    def __call__(self, rng: np.random.Generator) -> tuple[Pixels, GroundTruth]:
        points = rng.uniform(0, 600, (100, 68, 2)).astype(np.float32)
        return np.zeros((640, 640, 3), np.uint8), GroundTruth.of(points)


def test_a_large_mosaic_has_room_for_more_faces(
    tiny_detector: DetectorRecipe, drawn_data: Path
) -> None:
    faces = load_split(drawn_data, "official", colour=True)[0]
    _, boxes, _, kinds = MosaicDataset(Crowd(faces, {}, [], tiny_detector.mosaic), seed=0)[0, 0]
    assert int((kinds == FACE).sum()) == 100
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_a_perfect_detector_finds_all_and_a_blind_one_nothing(
    tiny_detector: DetectorRecipe, drawn_data: Path
) -> None:
    faces = load_split(drawn_data, "official", colour=True)[1]
    judged = evaluation_sets(tiny_detector, faces)
    photos = judged["images"]
    assert len(judged["mosaics"].images) == tiny_detector.mosaic.validation
    assert len({image.shape for image in photos.images}) == 1
    for image, original in zip(photos.images, faces.images, strict=True):
        high, wide = original.shape[:2]
        np.testing.assert_array_equal(image[:high, :wide], original)
    answers = {}
    for exam in judged.values():
        for image, truth in zip(exam.images, exam.truths, strict=True):
            own = truth.boxes[truth.kinds == FACE]
            answers[image.tobytes()] = Detections(own, np.full(len(own), 0.9, np.float32))
    found = evaluate_detector(one_by_one(lambda image: answers[image.tobytes()]), judged)
    assert (found.error, found.row["photo_false_at_half"]) == (0, 0)
    assert [found.row[name] for name in FIGURES] == [1, 1, 1, 1]
    none = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))
    blind = evaluate_detector(one_by_one(lambda _: none), judged)
    assert (blind.error, *blind.row.values()) == (1, 0, 0, 0, 0, 0)


def test_searching_leaves_the_network_in_its_mode(run: tuple[Path, str]) -> None:
    network = load_detector(run[0] / "last.pt")[0].train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch_find(network)([np.zeros((64, 80, 3), np.uint8)])
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_images_of_many_sizes_are_searched_as_each_alone(lively: DetectorNet) -> None:
    rng, find = np.random.default_rng(0), torch_find(lively)
    sizes = [(40, 60), (64, 64), (40, 60), (33, 7)] + [(64, 64)] * 9
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    found = find(images)
    assert sum(map(len, found)) > 50
    for image, own in zip(images, found, strict=True):
        (alone,) = find([image])
        assert own.points is not None
        assert alone.points is not None
        assert (np.diff(own.scores) <= 0).all()
        assert own.scores.min(initial=1) >= 0.02
        np.testing.assert_allclose(own.scores, alone.scores, atol=1e-5)
        np.testing.assert_allclose(own.boxes, alone.boxes, atol=0.01)
        np.testing.assert_allclose(own.points, alone.points, atol=0.01)


def test_boxes_of_other_faces_are_read_by_part_and_image(tmp_path: Path) -> None:
    file = tmp_path / "others.csv"
    rows = ["training,a.jpg,1,2,3.5,4", "test,a.jpg,0,0,9,9", "training,a.jpg,5,5,6,6"]
    file.write_text("part,name,x0,y0,x1,y1\n" + "\n".join(rows) + "\n")
    found = read_other_faces(str(file), "training")
    assert set(found) == {"a.jpg"}
    np.testing.assert_allclose(found["a.jpg"], [[1.0, 2.0, 3.5, 4.0], [5.0, 5.0, 6.0, 6.0]])
    assert len(read_other_faces("youtube-faces-68.others.csv", "training")) > 100


@pytest.mark.parametrize(
    "row", ["training,a.jpg,1,2,3", "training,a.jpg,1,2,x,4", "test,a.jpg,5,5,1,1", "t,a,0,0,nan,1"]
)
def test_a_bad_row_of_other_faces_is_named(row: str, tmp_path: Path) -> None:
    file = tmp_path / "others.csv"
    file.write_text(f"part,name,x0,y0,x1,y1\ntest,b.jpg,0,0,1,1\n{row}\n")
    with pytest.raises(DatasetError, match=r"others\.csv: line 3: not part,name,x0,y0,x1,y1"):
        read_other_faces(str(file), "training")


def test_other_faces_without_a_file_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nosuch\.csv: others: no such file"):
        read_other_faces("nosuch.csv", "training")
    (tmp_path / "latin.csv").write_bytes(b"part,name\n\xe9\n")
    with pytest.raises(DatasetError, match="not a CSV table in UTF-8"):
        read_other_faces(str(tmp_path / "latin.csv"), "training")


@pytest.mark.parametrize("name", ["nosuchpicture", "data_dir"])
def test_an_unknown_picture_is_named(name: str) -> None:
    with pytest.raises(RecipeError, match=rf"{name}: mosaic\.pictures"):
        pictures_without_faces(("moon", name))


def test_pictures_need_scikit_image(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pictures_without_faces(()) == []
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(InstallError, match="scikit-image"):
        pictures_without_faces(("moon",))


def test_pictures_of_any_kind_become_bgr() -> None:
    rgba = np.dstack([np.full((4, 5), value, np.uint8) for value in (10, 20, 30, 255)])
    for picture in (rgba, rgba[..., :3]):
        assert as_bgr(picture)[0, 0].tolist() == [30, 20, 10]
    assert as_bgr(np.full((4, 5), 0.5))[0, 0].tolist() == [127, 127, 127]
    assert as_bgr(np.ones((4, 5), bool))[0, 0].tolist() == [255, 255, 255]
    for found in (as_bgr(rgba), as_bgr(np.zeros((4, 5), np.uint8))):
        assert found.shape == (4, 5, 3)
        assert found.dtype == np.uint8
        assert found.flags.c_contiguous
