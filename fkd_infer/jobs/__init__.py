"""A run over many sources: photos in parallel, videos in stages, a journal, failures."""
