"""Measurements: `python -m benchmarks latency` and `python -m benchmarks pipeline`."""
