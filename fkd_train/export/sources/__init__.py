"""What landmark networks are exported from: checkpoints, modules, and ONNX files of others."""
