"""Benchmarks of networks and of fkd-infer: `python -m benchmarks`."""
