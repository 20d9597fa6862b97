"""ONNX Runtime: sessions, execution providers, settings."""
