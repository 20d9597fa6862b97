"""The targets of the fuzzer: each passes bytes to a reader, which may refuse them by an FkdError.

Any other exception is a crash, and so is a failed check of an input that the reader accepted.
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
from fkd_infer.models.description import describe_model
from fkd_infer.types import Face, Frame
from fuzz.mutators.base import Mutator, mutate_bytes
from fuzz.mutators.images import mutate_image
from fuzz.mutators.json_text import mutate_card, mutate_pack
from fuzz.mutators.protobuf import mutate_protobuf
from fuzz.seeds import animations, cards, files, images

_LIMITS = Limits(pixels=2**17, memory=2**26)
"""Limits of pictures, low enough that no input takes long."""
_TWO_POINTS = LandmarkScheme("two", 2, {"eyes": (0, 1)}, ((0, 1),), (0, 1))
_CARDS = (ModelCard, DetectorCard, EndToEndCard)


@dataclass(frozen=True)
class Target:
    """A reader under test.

    `feed` reads an input in a folder of its own, which it may reuse from call to call; `seeds` are
    the first inputs by name, `tokens` are byte strings that mutations may insert, and `max_size` is
    the largest input in bytes.
    """

    name: str
    feed: Callable[[bytes, Path], None]
    seeds: Callable[[], Mapping[str, bytes]]
    mutate: Mutator = mutate_bytes
    tokens: Iterable[bytes] = ()
    max_size: int = 8192


def feed_image(data: bytes, folder: Path) -> None:
    """Checks that a picture is BGR, not empty, and within the limits."""
    path = folder / "a"
    path.write_bytes(data)
    file.format_by_content(path)
    image = file.read_image(path, _LIMITS)
    _check_picture(image)


def feed_animation(data: bytes, folder: Path) -> None:
    """Checks that durations are positive, and that frames are pictures at increasing times."""
    path = folder / "a"
    path.write_bytes(data)
    header = animation.read_animation(path)
    if header is None:
        return
    _require(all(duration > 0 for duration in header.durations), "a frame has no duration")
    _require(header.end_of(Fraction(0)) > 0, "the first frame ends before it begins")
    _LIMITS.check_video(path, *header.size)  # as every caller does
    last = Fraction(-1)
    for image, time in islice(animation.read_frames(path), 50):
        _check_picture(image)
        _require(time > last, "frames go back in time")
        last = time


def feed_boxes(data: bytes, folder: Path) -> None:
    """Checks that boxes of every source and frame can be looked up."""
    path = folder / "boxes.csv"
    path.write_bytes(data)
    boxes = BoxesFile.read(path)
    for source, frame in boxes.boxes:
        detections = boxes.find(Frame(np.zeros((2, 2), np.uint8), source, frame))
        usable = len(detections) > 0 and bool(np.isfinite(detections.boxes).all())
        _require(usable, "no usable box")


def feed_card(data: bytes, folder: Path) -> None:
    """Checks that a card survives being written; the first byte selects the kind of card."""
    if not data:
        return
    kind = _CARDS[data[0] % len(_CARDS)]
    text = data[1:].decode("utf-8", "replace")
    card = kind.from_metadata({METADATA_KEY: text}, "a.onnx")
    again = kind.from_metadata({METADATA_KEY: card.to_json()}, "a.onnx")
    _require(card == again, "a card changes when it is written")


def feed_pack(data: bytes, folder: Path) -> None:
    """Draws a pack: its filter.json, a zero byte, and its picture a.png."""
    text, _, picture = data.partition(b"\0")
    (folder / "filter.json").write_bytes(text)
    (folder / "a.png").write_bytes(picture)
    loaded = load_filter(folder)
    canvas = np.full((96, 96, 3), 90, np.uint8)
    points = (mean_head()[:, :2] * 40 + 48).astype(np.float32)
    face = Face(points, np.array([10, 10, 80, 80], np.float32))
    loaded.draw(canvas, [face, replace(face, points=points[:, ::-1] * 3)])


def feed_model(data: bytes, folder: Path) -> None:
    """Checks a model's file and its card, without ONNX Runtime."""
    path = folder / "a.onnx"
    path.write_bytes(data)
    description = describe_model(path)
    _require(description.bytes == len(data), "another size than the file's")


def feed_dataset(data: bytes, folder: Path) -> None:
    """Checks that rows of a data set have a picture and finite points."""
    part = folder / "training"
    if not part.is_dir():
        part.mkdir()
        (part / "a.png").write_bytes(images.images()["png-gray"])
    (folder / "training_frames_keypoints.csv").write_bytes(data)
    _check_faces(folder, _TWO_POINTS)


def feed_wflw(data: bytes, folder: Path) -> None:
    """Checks that lines of WFLW have a picture and finite points."""
    from fkd_infer.landmarks.schemes import find_scheme

    lists = folder / "WFLW_annotations" / "list_98pt_rect_attr_train_test"
    if not lists.is_dir():
        lists.mkdir(parents=True)
        (folder / "WFLW_images").mkdir()
        (folder / "WFLW_images" / "a.png").write_bytes(images.images()["png-gray"])
    (lists / "list_98pt_rect_attr_train.txt").write_bytes(data)
    _check_faces(folder, find_scheme("wflw98"))


def feed_coco(data: bytes, folder: Path) -> None:
    """Checks that annotations of COCO have a picture and finite points."""
    if not (folder / "a.png").is_file():
        (folder / "a.png").write_bytes(images.images()["png-gray"])
    (folder / "training.json").write_bytes(data)
    _check_faces(folder / "training.json", _TWO_POINTS)


def feed_npz(data: bytes, folder: Path) -> None:
    """Checks that arrays have pictures and finite points."""
    (folder / "training.npz").write_bytes(data)
    _check_faces(folder / "training.npz", _TWO_POINTS)


def _check_faces(given: Path, scheme: LandmarkScheme) -> None:
    from fkd_train.data.dataset import read_faces

    faces = read_faces(given, "training", scheme)
    sizes = [min(image.shape[:2]) for image in faces.images]
    usable = min(sizes, default=0) > 0 and bool(np.isfinite(faces.points).all())
    _require(usable, "no usable points or pictures")


def _check_picture(image: Pixels) -> None:
    is_bgr = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
    _require(is_bgr and image.size > 0, f"{image.dtype} of shape {image.shape} is no picture")
    _require(image.shape[0] * image.shape[1] <= _LIMITS.pixels, "the picture is too large")


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise AssertionError(problem)


_IMAGE = (mutate_image, images.IMAGE_TOKENS)
TARGETS = {
    target.name: target
    for target in (
        Target("image", feed_image, images.images, *_IMAGE),
        Target("animation", feed_animation, animations.animations, *_IMAGE),
        Target("boxes", feed_boxes, files.boxes, tokens=files.CSV_TOKENS, max_size=2048),
        Target("card", feed_card, cards.cards, mutate_card, files.JSON_TOKENS),
        Target("pack", feed_pack, files.packs, mutate_pack, files.JSON_TOKENS),
        Target("model", feed_model, files.models, mutate_protobuf, files.ONNX_TOKENS),
        Target("dataset", feed_dataset, files.datasets, tokens=files.CSV_TOKENS, max_size=2048),
        Target("wflw", feed_wflw, files.wflw_lists, tokens=files.CSV_TOKENS),
        Target("coco", feed_coco, files.coco_documents, tokens=files.JSON_TOKENS),
        Target("npz", feed_npz, files.arrays, tokens=files.NPZ_TOKENS, max_size=4096),
    )
}
