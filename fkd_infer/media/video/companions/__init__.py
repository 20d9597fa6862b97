"""What accompanies the picture of a video into its output: other tracks, tags and chapters."""
