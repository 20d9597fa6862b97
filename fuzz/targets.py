"""What is fuzzed: each target feeds bytes to a reader, which may refuse them with an FkdError.

Anything else that a reader raises, and anything that `feed` itself finds wrong with what was
accepted, is a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from fkd_infer.detection.boxes_file import BoxesFile
from fkd_infer.filters.filter import load_filter
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.landmarks.head_model import mean_head
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.limits import Limits
from fkd_infer.media.images import animation, file
from fkd_infer.models.cards.base import METADATA_KEY
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.cards.end_to_end import EndToEndCard
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.inventory import describe_model
from fkd_infer.types import Face, Frame
from fuzz import corpus
from fuzz.mutators import (
    Mutator,
    mutated_image,
    mutated_json,
    mutated_pack,
    mutated_wire,
    plainly_mutated,
)

_LIMITS = Limits(pixels=2**17, memory=2**26)
"""Of pictures, so that an input which may be large does not take long."""
_TWO = LandmarkScheme("two", 2, {"eyes": (0, 1)}, ((0, 1),), (0, 1))
_CARDS = (ModelCard, DetectorCard, EndToEndCard)


@dataclass(frozen=True)
class Target:
    """A reader under test.

    `feed` takes an input and an empty folder of its own, which it may reuse from call to call;
    `seeds` are the inputs to begin with, `tokens` what mutations may insert.
    """

    name: str
    feed: Callable[[bytes, Path], None]
    seeds: Callable[[], Mapping[str, bytes]]
    mutate: Mutator = plainly_mutated
    tokens: Iterable[bytes] = ()
    longest: int = 8192


def feed_image(data: bytes, folder: Path) -> None:
    """A picture is BGR and not empty, and of what can be held in memory."""
    path = folder / "a"
    path.write_bytes(data)
    file.suffix_by_content(path)
    image = file.read_image(path, _LIMITS)
    _check_picture(image)


def feed_animation(data: bytes, folder: Path) -> None:
    """Durations are positive; frames are pictures, in the order of their times."""
    path = folder / "a"
    path.write_bytes(data)
    found = animation.read_animation(path)
    if found is None:
        return
    _require(all(duration > 0 for duration in found.durations), "a frame is shown for no time")
    _require(found.end_of(Fraction(0)) > 0, "the first frame ends before it begins")
    if found.suffix != ".webp":
        return
    _LIMITS.check_video(path, *found.size)  # as whoever reads one does
    last = Fraction(-1)
    for image, time in islice(animation.read_webp(path), 50):
        _check_picture(image)
        _require(time > last, "frames go back in time")
        last = time


def feed_boxes(data: bytes, folder: Path) -> None:
    """Boxes that were read can be found again."""
    path = folder / "boxes.csv"
    path.write_bytes(data)
    boxes = BoxesFile.read(path)
    for source, frame in boxes.boxes:
        found = boxes.find(Frame(np.zeros((2, 2), np.uint8), source, frame))
        _require(len(found) > 0 and bool(np.isfinite(found.boxes).all()), "no usable box")


def feed_card(data: bytes, folder: Path) -> None:
    """The first byte says which kind of card; one that is accepted survives being written."""
    if not data:
        return
    kind = _CARDS[data[0] % len(_CARDS)]
    text = data[1:].decode("utf-8", "replace")
    card = kind.from_metadata({METADATA_KEY: text}, "a.onnx")
    again = kind.from_metadata({METADATA_KEY: card.to_json()}, "a.onnx")
    _require(card == again, "a card changes when it is written")


def feed_pack(data: bytes, folder: Path) -> None:
    """A pack's filter.json, a zero byte, and its picture a.png; what is accepted can be drawn."""
    table, _, picture = data.partition(b"\0")
    (folder / "filter.json").write_bytes(table)
    (folder / "a.png").write_bytes(picture)
    worn = load_filter(folder)
    canvas = np.full((96, 96, 3), 90, np.uint8)
    points = (mean_head()[:, :2] * 40 + 48).astype(np.float32)
    face = Face(points, np.array([10, 10, 80, 80], np.float32))
    worn.draw(canvas, [face, replace(face, points=points[:, ::-1] * 3)])


def feed_model(data: bytes, folder: Path) -> None:
    """A model's file, its card and whether both fit, without any runtime."""
    path = folder / "a.onnx"
    path.write_bytes(data)
    described = describe_model(path)
    _require(described.bytes == len(data), "its size is not that of the file")


def feed_dataset(data: bytes, folder: Path) -> None:
    """Rows that were read have a picture and finite points."""
    from fkd_train.data.dataset import read_faces

    part = folder / "training"
    if not part.is_dir():
        part.mkdir()
        (part / "a.png").write_bytes(corpus.images()["png-gray"])
    (folder / "training_frames_keypoints.csv").write_bytes(data)
    faces = read_faces(folder, "training", _TWO)
    _require(len(faces) > 0 and bool(np.isfinite(faces.points).all()), "no usable points")


def _check_picture(image: Pixels) -> None:
    shaped = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
    _require(shaped and image.size > 0, f"{image.dtype} of shape {image.shape} is no picture")
    _require(image.shape[0] * image.shape[1] <= _LIMITS.pixels, "the picture is too large")


def _require(truth: bool, otherwise: str) -> None:
    if not truth:
        raise AssertionError(otherwise)


TARGETS = {
    target.name: target
    for target in (
        Target("image", feed_image, corpus.images, mutated_image, corpus.IMAGE_TOKENS),
        Target("animation", feed_animation, corpus.animations, mutated_image, corpus.IMAGE_TOKENS),
        Target("boxes", feed_boxes, corpus.boxes, tokens=corpus.CSV_TOKENS, longest=2048),
        Target("card", feed_card, corpus.cards, mutated_json, corpus.JSON_TOKENS),
        Target("pack", feed_pack, corpus.packs, mutated_pack, corpus.JSON_TOKENS),
        Target("model", feed_model, corpus.models, mutated_wire, corpus.ONNX_TOKENS),
        Target("dataset", feed_dataset, corpus.datasets, tokens=corpus.CSV_TOKENS, longest=2048),
    )
}
