"""Builds and rewrites ONNX graphs."""
