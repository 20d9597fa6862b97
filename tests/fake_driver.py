"""A driver's program that says what a test wants."""

from __future__ import annotations

from pathlib import Path


def fake_nvidia_smi(folder: Path, script: str) -> None:
    """Writes an nvidia-smi that runs a shell script."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
