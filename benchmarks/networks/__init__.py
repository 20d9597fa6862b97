"""Benchmarks of networks: latency, accuracy, arithmetic, and the search for a size."""
