"""`python -m tools.site` builds the site; a broken link or a missing page fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tools.site.pages import write_pages

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Puts the pages together in build/site/pages, and builds build/site/html."""
    write_pages(ROOT, ROOT / "build" / "site" / "pages")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean"]
    # Material prints an advertisement for its successor, which does not find missing pages yet.
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=quiet, check=False)  # all ours  # nosec B603
    if done.returncode:
        sys.exit(done.returncode)
    print(f"the site: {ROOT / 'build/site/html/index.html'}")


if __name__ == "__main__":
    main()
