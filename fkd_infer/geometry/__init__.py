"""Boxes, transforms, crops, non-maximum suppression."""
