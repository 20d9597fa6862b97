"""Faces of a Ray Dataset that somebody has already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import ray.data

from fkd_infer.errors import FkdError, SettingsError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.loading import load
from fkd_infer.media.images.file import read_image
from fkd_infer.pipeline import Pipeline
from fkd_infer.types import Face

_BATCH = 64


def faces(
    dataset: Any,
    column: str,
    load_arguments: Mapping[str, object] | None = None,
    *,
    actors: int | tuple[int, int] = 1,
    num_gpus: float = 0.0,
) -> Any:
    """Adds the columns `faces` and `error` to a Ray Dataset.

    `column` holds the bytes of image files, their paths as the actors see them, or RGB arrays
    (H, W, 3) uint8, as `ray.data.read_images` gives them. `load_arguments` are those of
    `fkd_infer.load`; a network runs in one thread by default. `actors` is the number of actors, or
    the fewest and the most; each has a core, and with `num_gpus` a share of a GPU.

    `faces` is a list of structs: box (4,), score, presence (null if the network has no score) and
    points (2 n,), x and y in turns, in pixels. It is null for an image that cannot be read; `error`
    says why, and is null for all others. The models are opened by each actor, from files that its
    machine has. Raises SettingsError for what is no Ray Dataset, and for a column that is not
    there.
    """
    if not isinstance(dataset, ray.data.Dataset):
        raise SettingsError("dataset", f"is of type {type(dataset).__name__}, not a Ray Dataset")
    known = dataset.columns()
    if known is not None and column not in known:
        raise SettingsError("column", f"{column!r} is not there", f"there are {', '.join(known)}")
    fewest, most = (actors, actors) if isinstance(actors, int) else actors
    return dataset.map_batches(
        _FaceColumns,
        fn_constructor_args=(column, {"threads": 1, **(load_arguments or {})}),
        batch_format="pyarrow",
        batch_size=_BATCH,
        compute=ray.data.ActorPoolStrategy(min_size=fewest, max_size=most),
        num_cpus=1,
        num_gpus=num_gpus or None,
    )


class _FaceColumns:
    """Adds the faces of a batch of images, with a pipeline of its own."""

    def __init__(self, column: str, load_arguments: Mapping[str, Any]) -> None:
        self._column = column
        self._pipeline: Pipeline = load(**load_arguments)
        numbers = pa.float32()
        count = self._pipeline.card.landmarks.count
        self._type = pa.list_(
            pa.struct(
                [
                    pa.field("box", pa.list_(numbers, 4)),
                    pa.field("score", numbers),
                    pa.field("presence", numbers),
                    pa.field("points", pa.list_(numbers, 2 * count)),
                ]
            )
        )

    def __call__(self, table: Any) -> Any:
        """The table with both columns."""
        found: list[list[dict[str, object]] | None] = []
        errors: list[str | None] = []
        for value in table.column(self._column):
            try:
                found.append([_row(face) for face in self._pipeline(_image(value.as_py()))])
                errors.append(None)
            except FkdError as error:
                if error.ends_run:
                    raise
                found.append(None)
                errors.append(str(error))
        table = table.append_column("faces", pa.array(found, self._type))
        return table.append_column("error", pa.array(errors, pa.string()))


def _image(value: Any) -> Pixels:
    """The image that a value of the column stands for, in BGR."""
    if isinstance(value, str | bytes):
        return read_image(value)
    array: Pixels = np.ascontiguousarray(value[..., ::-1]) if np.ndim(value) == 3 else value
    return array


def _row(face: Face) -> dict[str, object]:
    return {
        "box": face.box.tolist(),
        "score": face.score,
        "presence": face.presence,
        "points": face.points.ravel().tolist(),
    }
