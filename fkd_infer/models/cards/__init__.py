"""Model cards: what an ONNX file says about itself."""
