"""Benchmarks of whole programs."""
