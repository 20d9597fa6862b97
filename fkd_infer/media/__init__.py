"""Sources of frames, and sinks for pictures and videos."""
