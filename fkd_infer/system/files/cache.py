"""The folders for downloads and tuned settings of this machine, and for what runs remember."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def cache_folder() -> Path:
    """Returns $FKD_CACHE, else `fkd` in $XDG_CACHE_HOME or in the system's folder for caches.

    The folder may not exist. Raises RuntimeError if the user has no home folder.
    """
    if folder := os.environ.get("FKD_CACHE"):
        return Path(folder)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "fkd"
    from platformdirs import user_cache_path

    Path.home()  # older versions of platformdirs return a relative path instead of raising
    return user_cache_path("fkd", appauthor=False)


def state_folder() -> Path:
    """Returns `fkd` in $XDG_STATE_HOME or in the system's folder for what programs remember.

    The folder may not exist. Raises RuntimeError if the user has no home folder.
    """
    if base := os.environ.get("XDG_STATE_HOME"):
        return Path(base) / "fkd"
    from platformdirs import user_state_path

    Path.home()
    return user_state_path("fkd", appauthor=False)


def digest(parts: Sequence[object]) -> str:
    """Returns a name for what depends on all of these, as plain data."""
    import hashlib  # both here, so that load() does not wait for them unless something is cached
    import json

    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
