"""Execution providers of ONNX Runtime: a file for each, and the registry."""
