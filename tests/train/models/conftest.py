"""The package timm, where it is installed."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch


@pytest.fixture(scope="session")
def timm() -> ModuleType:
    """The package timm; skips the test where it is not installed."""
    try:
        import torchvision  # noqa: F401
    except ModuleNotFoundError:
        pytest.skip("timm is not installed")
    except RuntimeError:
        # The package index's torchvision is compiled against CUDA and lacks its operators beside
        # torch's CPU build. timm's backbones call none of them, but torchvision describes these two
        # while it is imported.
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            library.define(schema)  # type: ignore[no-untyped-call]
        _DECLARED.append(library)
    module: ModuleType = pytest.importorskip("timm")
    return module


_DECLARED: list[torch.library.Library] = []
"""Operators exist as long as the library that declares them."""
