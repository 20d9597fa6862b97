"""The commands of `python -m benchmarks`; heavy packages are imported when a command runs."""
