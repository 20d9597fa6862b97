"""End-to-end files in ONNX Runtime: their session, and the memory that images go through."""
