"""The offsets between the annotators of several data sets."""

from __future__ import annotations

import pytest
import torch

from fkd_infer.landmarks.schemes import IBUG68
from fkd_train.models.conventions import Conventions

MIRROR = tuple(IBUG68.flip_permutation.tolist())


@pytest.fixture
def conventions() -> Conventions:
    module = Conventions(2, MIRROR, shipped=1)
    torch.manual_seed(0)
    torch.nn.init.normal_(module.free)
    return module


def test_only_what_mirroring_reverses_is_learned_of_the_shipped_data_set(
    conventions: Conventions,
) -> None:
    shipped = conventions()
    mirrored = shipped[list(MIRROR)] * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(mirrored, -shipped)
    torch.testing.assert_close(conventions.offsets()[0], conventions.free[0])


def test_crops_have_the_offsets_of_their_data_set_mirrored_as_they_are(
    conventions: Conventions,
) -> None:
    sets, mirrored = torch.tensor([0, 0, 1]), torch.tensor([0.0, 1.0, 1.0])
    plain, turned, shipped = conventions(sets, mirrored)
    torch.testing.assert_close(plain, conventions.free[0])
    torch.testing.assert_close(turned, plain[list(MIRROR)] * torch.tensor([-1.0, 1.0]))
    torch.testing.assert_close(shipped, -conventions())
