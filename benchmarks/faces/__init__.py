"""Benchmarks of detectors and tracking."""
