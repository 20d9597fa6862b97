"""Backbones of the package timm as trunks, named `timm:NAME`."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from fkd_infer.errors import InstallError, one_line
from fkd_train.errors import NetworkError
from fkd_train.models.outside_code import outside_errors
from fkd_train.models.spec import ModelSpec

if TYPE_CHECKING:
    from types import ModuleType

PREFIX = "timm:"


class TimmTrunk(nn.Module):
    """The feature maps of a backbone, for planes in [0, 1], which it normalises as the backbone's
    weights expect it."""

    def __init__(self, backbone: nn.Module, channels: int) -> None:
        super().__init__()
        self.backbone = backbone
        config: Any = getattr(backbone, "pretrained_cfg", None) or {}
        self.mean: Tensor
        self.std: Tensor
        for name, default in (("mean", 0.0), ("std", 1.0)):
            values = torch.tensor(config.get(name) or (default,) * 3)
            # Gray images are normalised by the mean of the colours' numbers.
            values = values.mean(0, keepdim=True) if channels == 1 else values
            self.register_buffer(name, values[:, None, None], persistent=False)
        # Some transformers return maps (N, h, w, c).
        order = getattr(getattr(backbone, "output_fmt", None), "value", "NCHW")
        self.has_channels_last = order == "NHWC"

    def forward(self, planes: Tensor) -> list[Tensor]:
        """Maps (N, c, h, h), the finest first, for planes (N, C, S, S)."""
        maps: list[Tensor] = self.backbone((planes - self.mean) / self.std)
        return [one.permute(0, 3, 1, 2) for one in maps] if self.has_channels_last else maps


def timm_trunk(spec: ModelSpec) -> nn.Module:
    """The trunk of a spec; its options are those of `timm.create_model`.

    Raises InstallError without timm, and NetworkError for an unknown backbone, for options that do
    not fit it, and for an installation of timm that cannot be imported.
    """
    timm = _import_timm(spec.name)
    backbone = spec.name.removeprefix(PREFIX)
    if not timm.is_model(backbone):
        near = difflib.get_close_matches(backbone, timm.list_models(), 5)
        fix = f"similar ones: {', '.join(near)}" if near else "timm.list_models() names all"
        raise NetworkError(spec.name, f"timm {timm.__version__} has no such model", fix)
    options = {"pretrained": False, **spec.options}
    with outside_errors(spec.name, "timm.create_model"):
        features = timm.create_model(
            backbone, features_only=True, in_chans=spec.channels, **options
        )
    return TimmTrunk(features, spec.channels)


def _import_timm(name: str) -> ModuleType:
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name == "timm":
            raise InstallError.of_extra("timm", "timm") from error
        raise NetworkError(name, f"timm cannot be imported: {one_line(error)}") from error
    except (ImportError, OSError, RuntimeError) as error:
        # torchvision's operators are compiled for one version and build of torch.
        problem = f"timm's torchvision does not fit torch {torch.__version__}: {one_line(error)}"
        fix = "install torch and torchvision together, from the same index"
        raise NetworkError(name, problem, fix) from error
    module: ModuleType = timm
    return module
