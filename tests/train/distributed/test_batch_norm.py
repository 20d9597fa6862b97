"""Batch normalisation over all processes; tests of two processes are in test_two_nodes.py."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import pytest
import torch
from torch import Tensor, distributed, nn

from fkd_train.distributed.batch_norm import synchronise_batch_norm


@pytest.fixture(scope="module", autouse=True)
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A process group of this process alone."""
    place = (tmp_path_factory.mktemp("group") / "store").as_uri()
    distributed.init_process_group("gloo", init_method=place, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def trained(layer: nn.Module, values: Tensor) -> list[Tensor]:
    """Output, gradients and state of a layer after two steps."""
    values = values.clone().requires_grad_()
    for _ in range(2):
        output = layer.train()(values)
        torch.autograd.backward(output.square().sum() + output[..., :2].sum())
    gradients = [p.grad for p in layer.parameters() if p.grad is not None]
    assert values.grad is not None
    return [output.detach(), values.grad, *gradients, *layer.buffers()]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm2d(3), (4, 3, 5, 6)),
        (nn.BatchNorm2d(3, affine=False), (4, 3, 5, 6)),
        (nn.BatchNorm2d(3, momentum=None), (4, 3, 5, 6)),
        (nn.BatchNorm2d(3, track_running_stats=False), (4, 3, 5, 6)),
        (nn.BatchNorm1d(3, eps=0.1, momentum=0.5), (7, 3)),
    ],
)
def test_one_process_normalises_as_usual(layer: nn.Module, shape: tuple[int, ...]) -> None:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + 5
    expected = trained(deepcopy(layer), values)
    own = trained(synchronise_batch_norm(layer, torch.device("cpu")), values)
    for ours, theirs in zip(own, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
        assert not ours.requires_grad


def test_halves_are_normalised_in_full_precision() -> None:
    layer = synchronise_batch_norm(nn.Sequential(nn.BatchNorm2d(2)), torch.device("cpu"))
    values = torch.full((2, 2, 4, 4), 300.0, dtype=torch.bfloat16)
    values[0] += 2
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(values)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output[0].float(), torch.ones(2, 4, 4))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_names_and_values_stay_the_same(device: str) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Sequential(nn.BatchNorm2d(2)))
    network(torch.randn(2, 1, 8, 8))
    before, image = deepcopy(network).eval(), torch.randn(1, 1, 8, 8)
    after = synchronise_batch_norm(network, torch.device(device)).eval()
    assert isinstance(after[1], nn.SyncBatchNorm) == (device == "cuda")  # type: ignore[index]
    for (name, value), (same, expected) in zip(
        after.state_dict().items(), before.state_dict().items(), strict=True
    ):
        assert name == same
        assert torch.equal(value, expected)
    assert torch.equal(after(image), before(image))
