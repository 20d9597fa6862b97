"""Trains landmark networks and face detectors in PyTorch, and exports them to ONNX."""
