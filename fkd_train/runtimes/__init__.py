"""Runs exported files in several runtimes, and compares them with ONNX Runtime."""
