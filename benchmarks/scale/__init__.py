"""Very many photos, and long videos in segments."""
