"""Follows faces through a video, and smooths their points."""
