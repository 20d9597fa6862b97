"""Landmark schemes, and measurements of points: head pose, aspect ratios."""
