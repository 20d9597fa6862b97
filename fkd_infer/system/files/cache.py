"""Where fkd keeps what it found out about this machine."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """FKD_CACHE, or `fkd` in the user's cache folder; it may not be there yet."""
    own = os.environ.get("FKD_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fkd"
