"""`python -m tools.pictures [NAME …]` draws the pictures of the documentation into docs/images/.

Each is a function of a module here, which writes its files to a folder. They show the portrait that
scikit-image ships, drawn faces, and measured figures; nothing is read from the network.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.pictures import examples, peers

IMAGES = Path(__file__).parents[2] / "docs" / "images"

PICTURES: Mapping[str, Callable[[Path], None]] = {
    "examples": examples.draw,
    "peers": peers.draw,
}


def main(names: list[str]) -> None:
    """Draws the named pictures."""
    unknown = set(names) - set(PICTURES)
    if unknown:
        sys.exit(
            f"no picture is named {', '.join(sorted(unknown))}; there are {', '.join(PICTURES)}"
        )
    for name in names or PICTURES:
        PICTURES[name](IMAGES)
        print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
