"""Fuzzing of everything that reads what others made: `python -m fuzz`, or `make fuzz`."""
