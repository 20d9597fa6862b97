"""Heads on trunks of every kind."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from fkd_train.errors import NetworkError
from fkd_train.models.headed import HeadedNet
from fkd_train.models.heads import HEADS
from fkd_train.models.spec import ModelSpec

SPEC = ModelSpec("a:b", 64, unit=16, offset=32, points=5, head="grid", score=True, spread=True)


class Maps(nn.Module):
    """Maps with these (channels, cells), in the order given."""

    def __init__(self, *shapes: tuple[int, int], single: bool = False) -> None:
        super().__init__()
        self.shapes, self.single = shapes, single
        self.layers = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 1)
            for inputs, outputs in pairwise([1, *(channels for channels, _ in shapes)])
        )

    def forward(self, planes: Tensor) -> list[Tensor] | Tensor:
        maps, features = [], planes
        for layer, (_, cells) in zip(self.layers, self.shapes, strict=True):
            features = nn.functional.adaptive_avg_pool2d(layer(features), cells)
            maps.append(features)
        return maps[0] if self.single else maps


TRUNKS = {
    "a single map": Maps((12, 8), single=True),
    "a list of one": Maps((12, 8)),
    "a pyramid": Maps((4, 32), (8, 16), (12, 8)),
    "one resolution": Maps((8, 8), (8, 8)),
    "a ratio of four": Maps((8, 16), (8, 4)),
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("trunk", TRUNKS)
def test_every_head_takes_the_maps_of_every_trunk(head: str, trunk: str) -> None:
    network = HeadedNet(replace(SPEC, head=head, refine=True), TRUNKS[trunk]).eval()
    points, score, spread = network(torch.rand(3, 1, 64, 64))
    assert points.shape == (3, 5, 2)
    assert score.shape == (3, 1)
    assert spread.shape == (3, 5)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("trunk", TRUNKS)
def test_a_network_without_memory_has_the_same_shapes(head: str, trunk: str) -> None:
    shapes = []
    for device in ("cpu", "meta"):
        with torch.device(device):
            maps = Maps(*TRUNKS[trunk].shapes, single=TRUNKS[trunk].single)
            network = HeadedNet(replace(SPEC, head=head), maps)
        shapes.append({name: value.shape for name, value in network.state_dict().items()})
    assert shapes[0] == shapes[1]


class Gives(nn.Module):
    """Returns what a function makes of the planes."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self, planes: Tensor) -> object:
        return self.output(planes) if callable(self.output) else self.output


@pytest.mark.parametrize(
    ("trunk", "message"),
    [
        (Gives(lambda x: x.flatten(1)), r"gives \(N, 4096\), but .* one map \(N, channels, h, h\)"),
        (Gives(lambda x: x[:, :, ::2]), r"gives \(N, 1, 32, 64\)"),
        (
            Gives(lambda x: [x[..., ::2, ::2], x]),
            r"a list of \(N, 1, 32, 32\) and \(N, 1, 64, 64\)",
        ),
        (Gives([]), "gives a list of nothing"),
        (Gives(lambda x: {"out": x}), "gives a dict"),
        (Gives(lambda x: x.to(torch.uint8)), r"gives \(N, 1, 64, 64\) of uint8"),
        (Maps((4, 3)), "its finest map has 3 × 3 cells, and refine needs 4 × 4"),
        (
            Maps((4, 13), (4, 7)),
            "last two maps have 13 × 13 cells and 7 × 7 cells; the head heatmap",
        ),
    ],
)
def test_refuses_other_outputs_in_one_line(trunk: nn.Module, message: str) -> None:
    with pytest.raises(NetworkError, match=message) as caught:
        HeadedNet(replace(SPEC, head="heatmap", refine=True), trunk)
    assert "\n" not in str(caught.value)
