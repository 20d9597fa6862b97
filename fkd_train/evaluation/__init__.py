"""Accuracy of landmarks and detectors."""
