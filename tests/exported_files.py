"""Exported files of every task, made of the shipped models."""

from __future__ import annotations

from pathlib import Path

import onnx
from repo_paths import SHIPPED_MODELS

from fkd_infer.models.cards.base import METADATA_KEY
from fkd_train.export.end_to_end import Parts
from fkd_train.graphs.fixed_end_to_end import FixedSize


def end_to_end_file(
    folder: Path, network: str, size: FixedSize | None = None, min_score: float | None = None
) -> Path:
    """An end-to-end file of a shipped network and the shipped detector."""
    parts = Parts.of(SHIPPED_MODELS / f"{network}.onnx", SHIPPED_MODELS / "fkd-detector.onnx")
    faces = parts.face_filter(min_score)
    model, card = parts.graph(faces, size), parts.card(faces, size)
    onnx.helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    kind = "any" if size is None else "fixed" if size.batch is None else "batch"
    path = folder / f"{network}-{kind}.onnx"
    onnx.save(model, path)
    return path
