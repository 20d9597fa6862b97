"""Smaller and faster variants of an exported network, measured and kept or not."""
