"""Files: atomic writes, locks, strict reading, downloads."""
