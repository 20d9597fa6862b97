"""Video files and network streams."""
