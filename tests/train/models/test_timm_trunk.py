"""Backbones of timm as trunks."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import pytest
import torch

from fkd_infer.errors import InstallError
from fkd_train.errors import NetworkError
from fkd_train.models.landmarks import build_landmark_net
from fkd_train.models.spec import ModelSpec
from fkd_train.models.timm_trunk import TimmTrunk

SPEC = ModelSpec("timm:resnet10t", 64, unit=16, offset=32, channels=3, points=5, head="heatmap")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet10t", {"out_indices": [1, 2, 3]}),
        ("vit_tiny_patch16_224", {"img_size": 64, "depth": 3, "out_indices": [1, 2]}),
        ("swin_tiny_patch4_window7_224", {"img_size": 64, "depths": [1, 1, 1, 1]}),
    ],
)
def test_heads_sit_on_backbones(
    timm: ModuleType, name: str, options: dict[str, object], channels: int
) -> None:
    spec = replace(SPEC, name=f"timm:{name}", options=options, channels=channels, score=True)
    network = build_landmark_net(spec).eval()
    points, score = network(torch.randint(0, 256, (2, 64, 64, channels), dtype=torch.uint8))
    assert points.shape == (2, 5, 2)
    assert score.shape == (2,)
    with torch.device("meta"):
        empty = build_landmark_net(spec)
    shapes = [{name: v.shape for name, v in net.state_dict().items()} for net in (network, empty)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("channels", [1, 3])
def test_planes_are_normalised_as_the_backbones_weights_expect(
    timm: ModuleType, channels: int
) -> None:
    backbone = timm.create_model("resnet10t", features_only=True, in_chans=channels).eval()
    trunk = TimmTrunk(backbone, channels).eval()
    mean, std = (torch.tensor(backbone.pretrained_cfg[key]) for key in ("mean", "std"))
    mean, std = (mean, std) if channels == 3 else (mean.mean()[None], std.mean()[None])
    grey = torch.full((1, channels, 64, 64), 0.5)
    expected = backbone((grey - mean[:, None, None]) / std[:, None, None])
    torch.testing.assert_close(trunk(grey), expected)
    assert not {"mean", "std"} & trunk.state_dict().keys()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet-18", {}, "has no such model; similar ones: resnet18, "),
        ("hf-hub:someone/something", {}, "has no such model"),
        ("resnet18.nosuch", {}, "timm.create_model raised RuntimeError: Invalid pretrained tag"),
        ("resnet10t", {"nosuch": 1}, "timm.create_model raised TypeError: .*'nosuch'"),
        ("resnet10t", {"in_chans": 4}, "multiple values for keyword argument 'in_chans'"),
        ("vit_tiny_patch16_224", {}, r"called with planes \(N, 3, 64, 64\), raised AssertionError"),
    ],
)
def test_says_in_one_line_what_is_wrong_with_a_backbone(
    timm: ModuleType, name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(NetworkError, match=message) as caught:
        build_landmark_net(replace(SPEC, name=f"timm:{name}", options=options))
    assert "\n" not in str(caught.value)


def test_a_missing_timm_has_a_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InstallError, match=r"pip install timm"):
        build_landmark_net(SPEC)


def test_a_torchvision_that_does_not_fit_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Broken(), *sys.meta_path])
    with pytest.raises(NetworkError, match=r"torchvision does not fit torch .*nms does not exist"):
        build_landmark_net(SPEC)


class _Broken:
    """Fails to import timm as it does beside a torchvision for another torch."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "timm":
            raise RuntimeError("operator torchvision::nms does not exist")
