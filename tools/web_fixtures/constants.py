"""Numbers and tables that stand in Python and in TypeScript."""

from __future__ import annotations

from dataclasses import asdict

from fkd_infer.choices import MIN_PRESENCE
from fkd_infer.detection.fkd import CHECKED_THRESHOLD
from fkd_infer.detection.registry import FKD
from fkd_infer.landmarks.schemes import SCHEMES, find_scheme
from fkd_infer.runtime import proof
from fkd_infer.tracking import association, detection_schedule, one_euro, track, tracker

_TRACKING = (
    (association, ("MAX_SIZE_RATIO", "GRID_BITS")),
    (detection_schedule, ("MIN_INTERVAL", "MAX_INTERVAL", "MAX_SECONDS", "MAX_INTERVAL_EMPTY")),
    (track, ("SPEED_SECONDS", "MAX_EXTRAPOLATION")),
    (tracker, ("MEMORY_SECONDS", "SAME_FACE", "SAME_LOST_FACE", "DUPLICATE")),
    (tracker, ("MAX_GROWTH", "MAX_LEAP", "MAX_OFFSET", "MAX_MISSES")),
)


def constants() -> dict[str, object]:
    """The numbers by name."""
    return {
        "min_presence": MIN_PRESENCE,
        "search_sizes": FKD.search_sizes._asdict(),
        "checked_threshold": CHECKED_THRESHOLD,
        "proof": [proof.TOLERANCE, proof.SCORE_TOLERANCE],
        "drawn_face": proof.drawn_face(64),
        "schemes": [asdict(find_scheme(name)) for name in SCHEMES],
        "levels": {name: asdict(level) for name, level in one_euro.LEVELS.items()},
        "max_jump": one_euro.MAX_JUMP,
        "tracking": {
            name: float(getattr(module, name)) for module, names in _TRACKING for name in names
        },
    }
