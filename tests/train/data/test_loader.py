"""Which samples the batches of an epoch have, in one process and in several."""

from __future__ import annotations

from itertools import chain

import pytest

from fkd_train.data.loader import EpochBatchSampler


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [20, 21, 24])
def test_every_sample_is_in_one_share_of_an_epoch(count: int, world: int) -> None:
    one = EpochBatchSampler(count, 6, seed=3)
    ranks = [EpochBatchSampler(count, 6, 3, rank, world) for rank in range(world)]
    assert {len(sampler) for sampler in ranks} == {len(one)} == {4}
    used = []
    for step, (batch, *shares) in enumerate(zip(one, *ranks, strict=True)):
        assert all(shares), "torch cannot train on an empty batch"
        without_padding = [
            share[: sampler.share(step)] for share, sampler in zip(shares, ranks, strict=True)
        ]
        keys = list(chain(*without_padding))
        assert sorted(keys) == sorted(batch)
        assert len(keys) == one.size(step)
        used += keys
    assert sorted(used) == [(0, number) for number in range(count)]
