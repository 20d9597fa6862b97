"""Tracks faces through videos, and smooths their points."""
