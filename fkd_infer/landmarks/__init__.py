"""Landmark schemes, and what follows from points: head pose, aspect ratios."""
