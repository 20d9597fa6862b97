"""A network's limit on a machine with known rates."""

from __future__ import annotations

import pytest

from benchmarks.networks.flops import Layer, MultiplyAdds, Work
from benchmarks.roofline.ceilings import Ceiling
from benchmarks.roofline.roofline import Machine, best_rates


def test_the_slower_resource_limits_each_layer() -> None:
    rates = {
        Ceiling("ort-matmul", 512): 100e9,
        Ceiling("torch-matmul", 512): 200e9,
        Ceiling("ort-integer", 512): 800e9,
        Ceiling("triad", 2**20): 50e9,
        Ceiling("triad", 2**26): 10e9,
        Ceiling("copy", 2**26): 12e9,
    }
    machine = best_rates(rates)
    assert machine == Machine(200e9, 800e9, {2**20: 50e9, 2**26: 12e9})
    arithmetic = Layer(MultiplyAdds(fp32=1_000_000, int8=4_000_000), 100_000)
    memory = Layer(MultiplyAdds(fp32=1_000), 900_000)
    assert machine.least_seconds(Work((arithmetic, memory))) == pytest.approx(20e-6 + 18e-6)
    larger = Layer(MultiplyAdds(), 12_000_000_000)
    assert machine.least_seconds(Work((larger,))) == pytest.approx(1.0)
