"""Fuzzes every reader of untrusted files: `python -m fuzz`, or `make fuzz`."""
