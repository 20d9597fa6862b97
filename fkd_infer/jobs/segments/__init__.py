"""One long video, processed in segments at once, with the results of one run."""
