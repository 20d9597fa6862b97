"""The landmark networks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from fkd_train.errors import NetworkError, RecipeError
from fkd_train.models.fkdnet import BLOCKS
from fkd_train.models.heads import HEADS
from fkd_train.models.landmarks import build_landmark_net
from fkd_train.models.spec import ModelSpec, TrunkSpec


def spec(name: str, size: int, channels: int = 1) -> ModelSpec:
    return ModelSpec(name, size, unit=size / 4, offset=size / 2, channels=channels)


def count_weights(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_naimishnet_has_twenty_million_weights_at_224_px() -> None:
    network = build_landmark_net(spec("naimishnet", 224))
    dense = next(m for m in network.modules() if isinstance(m, nn.Linear))
    assert dense.weight.shape == (1024, 512 * 6 * 6)
    assert count_weights(network) == 19_989_896
    assert dense.weight.numel() / count_weights(network) == pytest.approx(0.94, abs=0.005)


def test_naimishnet_paper_has_the_published_layers() -> None:
    network = build_landmark_net(spec("naimishnet-paper", 96))
    kernels = [m.kernel_size[0] for m in network.modules() if isinstance(m, nn.Conv2d)]
    rates = [m.p for m in network.modules() if isinstance(m, nn.Dropout)]
    assert kernels == [4, 3, 2, 1]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert count_weights(network) == pytest.approx(7.6e6, rel=0.02)
    assert any(isinstance(m, nn.ELU) for m in network.modules())


def test_initialises_dense_layers_he_normal() -> None:
    torch.manual_seed(0)
    layer = next(
        m for m in build_landmark_net(spec("naimishnet", 112)).modules() if isinstance(m, nn.Linear)
    )
    assert float(layer.weight.detach().std()) == pytest.approx(
        (2 / layer.in_features) ** 0.5, rel=0.02
    )
    assert float(layer.bias.detach().abs().max()) == 0


@pytest.mark.parametrize("name", ["naimishnet", "naimishnet-paper"])
@pytest.mark.parametrize("channels", [1, 3])
def test_maps_uint8_crops_to_crop_pixels(name: str, channels: int) -> None:
    network = build_landmark_net(spec(name, 96, channels)).eval()
    image = torch.randint(0, 256, (3, 96, 96, channels), dtype=torch.uint8)
    (points,) = network(image)
    assert points.shape == (3, 68, 2)
    planes = image.permute(0, 3, 1, 2).flip(1) / 255.0
    torch.testing.assert_close(points, network.body(planes).view(3, 68, 2) * 24 + 48)


def test_a_network_of_colour_images_sees_red_first() -> None:
    seen: list[torch.Tensor] = []
    network = build_landmark_net(spec("naimishnet", 96, 3)).eval()
    network.body.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    blue = torch.zeros(1, 96, 96, 3, dtype=torch.uint8)
    blue[..., 0] = 255  # BGR, as OpenCV has it
    network(blue)
    assert seen[0].mean((0, 2, 3)).tolist() == [0, 0, 1]


def fkdnet(size: int = 64, **changes: object) -> ModelSpec:
    trunk = TrunkSpec(stem=8, widths=(8, 16, 24), depths=(1, 2, 1), block="plain")
    base = replace(spec("fkdnet", size), trunk=trunk, head="grid", score=True)
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("size", [64, 96])
def test_fkdnet_predicts_points_and_scores_with_every_head_and_block(
    head: str, block: str, size: int
) -> None:
    trunk = TrunkSpec(stem=8, widths=(8, 16, 24), depths=(1, 2, 1), block=block)
    network = build_landmark_net(fkdnet(size, head=head, trunk=trunk, points=5)).eval()
    points, score = network(torch.randint(0, 256, (3, size, size, 1), dtype=torch.uint8))
    assert points.shape == (3, 5, 2)
    assert score.shape == (3,)
    assert ((score > 0) & (score < 1)).all()


@pytest.mark.parametrize("head", HEADS)
def test_every_head_learns_points_outside_the_crop(head: str) -> None:
    """Overfits points inside a crop, at its border and slightly beyond it."""
    torch.manual_seed(0)
    network = build_landmark_net(fkdnet(head=head, points=4, score=False))
    image = torch.randint(0, 256, (4, 64, 64, 1), dtype=torch.uint8)
    expected = torch.tensor([[10.0, 20.0], [40.0, 50.0], [0.0, 63.0], [-4.0, 67.0]])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        (network(image)[0] - expected).abs().mean().backward()
        optimizer.step()
    assert float((network(image)[0] - expected).detach().abs().mean()) < 1.5


def test_has_one_output_without_a_score() -> None:
    assert (
        len(build_landmark_net(fkdnet(score=False))(torch.zeros(2, 64, 64, 1, dtype=torch.uint8)))
        == 1
    )


def test_an_unknown_network_lists_the_known_ones() -> None:
    with pytest.raises(NetworkError, match="naimishnet-paper"):
        build_landmark_net(spec("resnet", 96))


def test_refuses_an_input_that_is_too_small() -> None:
    with pytest.raises(RecipeError, match="size 20 is too small"):
        build_landmark_net(spec("naimishnet", 20))
