"""Benchmarks of networks: latency and accuracy."""
