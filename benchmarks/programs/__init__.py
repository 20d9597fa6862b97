"""Benchmarks of fkd-infer as a program."""
