"""Exports checkpoints to ONNX and verifies the files."""
