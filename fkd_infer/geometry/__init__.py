"""Boxes and their rules, transforms, crops, non-maximum suppression."""
