"""Writes all fixtures for the tests of `web/`, which compare with what the runtime computes.

Pictures are RGBA, as canvases give them, and all arrays are files of raw numbers beside tables in
JSON. Nothing is downloaded; the photo is that of scikit-image.
"""

from __future__ import annotations

from pathlib import Path

import fkd_infer
from fkd_infer.choices import DETECTOR_MODEL
from tools.web_fixtures.constants import constants
from tools.web_fixtures.faces import faces
from tools.web_fixtures.filters import filters
from tools.web_fixtures.folder import FixtureFolder
from tools.web_fixtures.sampling import crops, views
from tools.web_fixtures.tracking import smoothing, tracked


def write(folder: Path) -> None:
    """Writes all fixtures."""
    fixtures = FixtureFolder(folder)
    pipeline = fkd_infer.load(detector_model=DETECTOR_MODEL, provider="cpu", tuned=False)
    fixtures.table("constants", constants())
    fixtures.table("pictures", list(faces(fixtures, pipeline)))
    fixtures.table("crops", list(crops(fixtures)))
    fixtures.table("views", list(views(fixtures)))
    fixtures.table("smoothing", smoothing())
    fixtures.table("tracking", list(tracked(fixtures, pipeline)))
    fixtures.table("filters", filters(fixtures, folder))
