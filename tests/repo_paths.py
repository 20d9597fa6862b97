"""Folders of this repository, and files beside it that tests read where they exist."""

from __future__ import annotations

import os
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
DOCS = ROOT / "docs"
SHIPPED_MODELS = ROOT / "models"
NODE_MODULES = Path(os.environ.get("FKD_NODE_MODULES") or TESTS / "node" / "node_modules")
"""JavaScript packages, from `npm ci --prefix tests/node`; tests that need them skip without."""

_SHARED = ROOT.parent / "shared"
DATA_FOLDER = Path(os.environ.get("FKD_DATA") or _SHARED / "data" / "youtube-faces-68")
"""The real data set; tests that need it skip without it."""
YUNET_MODEL = Path(
    os.environ.get("FKD_YUNET") or _SHARED / "models" / "face_detection_yunet_n_640.onnx"
)
"""The file of a YuNet detector; likewise."""
PHOTOS_FOLDER = Path(os.environ.get("FKD_PHOTOS") or _SHARED / "data" / "300w-photos")
"""Whole photos of 300-W with their annotations; likewise."""
