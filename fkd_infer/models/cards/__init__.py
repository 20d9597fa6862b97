"""Model cards: what an ONNX file says of itself."""
