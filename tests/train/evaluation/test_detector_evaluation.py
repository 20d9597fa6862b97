"""Evaluation of a detector during training."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from fkd_infer.types import Detections
from fkd_train.config.detector import DetectorRecipe
from fkd_train.data.dataset import load_split
from fkd_train.evaluation.detector_evaluation import (
    detect_each,
    evaluate_detector,
    evaluation_sets,
    torch_detect,
)
from fkd_train.ground_truth import FACE
from fkd_train.models.detector import DetectorNet

pytestmark = pytest.mark.usefixtures("one_thread")
SHARES = ["mosaic_ap", "mosaic_recall", "photo_recall", "photo_recall_at_half"]


def test_metrics_of_a_perfect_and_of_a_blind_detector(
    tiny_detector: DetectorRecipe, drawn_data: Path
) -> None:
    faces = load_split(drawn_data, "official", colour=True)[1]
    sets = evaluation_sets(tiny_detector, faces)
    photos = sets["images"]
    assert len(sets["mosaics"].images) == tiny_detector.mosaic.validation
    assert len({image.shape for image in photos.images}) == 1
    for image, original in zip(photos.images, faces.images, strict=True):
        high, wide = original.shape[:2]
        np.testing.assert_array_equal(image[:high, :wide], original)
    detections_of = {}
    for test_set in sets.values():
        for image, truth in zip(test_set.images, test_set.truths, strict=True):
            boxes = truth.boxes[truth.kinds == FACE]
            scores = np.full(len(boxes), 0.9, np.float32)
            detections_of[image.tobytes()] = Detections(boxes, scores)
    perfect = evaluate_detector(detect_each(lambda image: detections_of[image.tobytes()]), sets)
    assert (perfect.error, perfect.row["photo_false_at_half"]) == (0, 0)
    assert [perfect.row[name] for name in SHARES] == [1, 1, 1, 1]
    none = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))
    blind = evaluate_detector(detect_each(lambda _: none), sets)
    assert (blind.error, *blind.row.values()) == (1, 0, 0, 0, 0, 0)


def test_detecting_leaves_the_mode_and_the_weights_of_a_network(lively: DetectorNet) -> None:
    network = deepcopy(lively).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch_detect(network)([np.zeros((64, 80, 3), np.uint8)])
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_images_of_different_sizes_are_detected_as_if_alone(lively: DetectorNet) -> None:
    rng, detect = np.random.default_rng(0), torch_detect(lively)
    sizes = [(40, 60), (64, 64), (40, 60), (33, 7)] + [(64, 64)] * 9
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    detections = detect(images)
    assert sum(map(len, detections)) > 50
    for image, batched in zip(images, detections, strict=True):
        (alone,) = detect([image])
        assert batched.points is not None
        assert alone.points is not None
        assert (np.diff(batched.scores) <= 0).all()
        assert batched.scores.min(initial=1) >= 0.02
        np.testing.assert_allclose(batched.scores, alone.scores, atol=1e-5)
        np.testing.assert_allclose(batched.boxes, alone.boxes, atol=0.01)
        np.testing.assert_allclose(batched.points, alone.points, atol=0.01)
