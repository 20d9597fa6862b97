"""Checks of the detectors that other packages register."""

from __future__ import annotations

from importlib.metadata import entry_points

from fkd_infer.detection.registry import DETECTORS, ENTRY_POINTS, find_detector, plugin_detectors
from fkd_infer.doctor.finding import Finding
from fkd_infer.errors import DetectorError


def detectors() -> Finding:
    """The detectors that can be chosen by name; those of other packages load."""
    plugins = plugin_detectors()
    fact = ", ".join(DETECTORS)
    if plugins:
        fact += f"; of other packages: {', '.join(plugins)}"
    for name in plugins:
        try:
            find_detector(name)
        except DetectorError as error:
            owners = {point.dist for point in entry_points(group=ENTRY_POINTS, name=name)}
            packages = " ".join(sorted(owner.name for owner in owners if owner))
            return Finding("detectors", fact, error.without_fix, f"pip uninstall {packages}")
    return Finding("detectors", fact)
