"""Draws points and boxes, contact sheets, and the preview window."""
