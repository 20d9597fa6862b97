"""Image files and animations."""
