"""Writes what the runtime computes, for the tests of `web/` that compare: `python -m
tools.web_fixtures FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.web_fixtures.write import write

write(Path(sys.argv[1]))
