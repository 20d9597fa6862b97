"""Segments of a video: where it can be cut, and how encoded parts become one file."""
