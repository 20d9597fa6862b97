"""Adds the project's addresses, from FKD_HOMEPAGE, to the metadata that Hatch builds.

Without it there are none. A fork or a mirror is another home, so that pyproject.toml has no
address: the workflow of releases sets FKD_HOMEPAGE to the repository that it runs in.
"""

from __future__ import annotations

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


def project_urls(home: str) -> dict[str, str]:
    """Returns the addresses below a repository's home on the web; none without a home."""
    home = home.rstrip("/")
    if not home:
        return {}
    pages = {
        "Changelog": "blob/main/CHANGELOG.md",
        "Documentation": "tree/main/docs",
        "Issues": "issues",
    }
    return {"Homepage": home} | {name: f"{home}/{page}" for name, page in pages.items()}


class ProjectUrls(MetadataHookInterface):
    """Hatch calls it before it reads the dynamic metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Sets `urls` in the project's table."""
        metadata["urls"] = project_urls(os.environ.get("FKD_HOMEPAGE", ""))
