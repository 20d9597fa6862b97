"""`python -m tools.pictures [NAME …]` draws the pictures of the documentation into docs/images/.

Each is a function of a module here, which writes its files to a folder. They show the portrait that
scikit-image ships, drawn faces, and measured figures; nothing is read from the network.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.pictures import (
    agreement,
    examples,
    first_photo,
    overview,
    own_filter,
    peers,
    photos,
    training,
    video,
)

IMAGES = Path(__file__).parents[2] / "docs" / "images"

PICTURES: Mapping[str, Callable[[Path], None]] = {
    "examples": examples.draw,
    "peers": peers.draw,
    "points": overview.draw_points,
    "demo": overview.draw_demo,
    "filters": overview.draw_filters,
    "start-photo": first_photo.draw_photo,
    "start-face": first_photo.draw_parts,
    "photos-sheet": photos.draw_sheet,
    "photos-missed": photos.draw_missed,
    "video-points": video.draw_points,
    "video-filters": video.draw_filters,
    "filter-pictures": own_filter.draw_layers,
    "filter-points": own_filter.draw_points,
    "filter-steps": own_filter.draw_steps,
    "filter-sheet": own_filter.draw_sheet,
    "filter-video": own_filter.draw_video,
    "agreement": agreement.draw,
    "training": training.draw_training,
    "own-points": training.draw_own_points,
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
