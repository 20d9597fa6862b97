"""ONNX graphs built and rewritten by hand."""
