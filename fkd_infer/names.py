"""Every name that an option takes; free of imports, so that --help is quick."""

from __future__ import annotations

from typing import Literal, get_args

Border = Literal["replicate", "black"]
BoxKind = Literal["points", "haar"]
Codec = Literal["h264", "h265", "vp9", "av1"]
DetectorName = Literal["haar", "none"]
Goal = Literal["pipeline", "latency"]
GraphLevel = Literal["none", "basic", "extended", "all"]
Layer = Literal["contours", "points", "mesh", "box", "score", "id", "numbers"]
Provider = Literal["auto", "cpu", "cuda"]
Smoothing = Literal["off", "low", "medium", "high"]
VideoSmoothing = Literal["off", "low", "medium", "high", "offline"]

BOX_KINDS: tuple[BoxKind, ...] = get_args(BoxKind)
CODECS: tuple[Codec, ...] = get_args(Codec)
DETECTORS: tuple[DetectorName, ...] = get_args(DetectorName)
GOALS: tuple[Goal, ...] = get_args(Goal)
GRAPH_LEVELS: tuple[GraphLevel, ...] = get_args(GraphLevel)
LAYERS: tuple[Layer, ...] = get_args(Layer)
PROVIDERS: tuple[Provider, ...] = get_args(Provider)
VIDEO_SMOOTHINGS: tuple[VideoSmoothing, ...] = get_args(VideoSmoothing)
SMOOTHINGS: tuple[Smoothing, ...] = get_args(Smoothing)

DEFAULT_MODEL = "fkdnet"
BATCH = 16
"""Faces that one call of the network takes at once, where there are so many."""
DEFAULT_LAYERS: tuple[Layer, ...] = ("contours", "points")
DEFAULT_SMOOTHING: VideoSmoothing = "medium"
MIN_PRESENCE = 0.5
"""A found face is kept where the network is at least so sure that it saw one."""
DETECT_SIZE = 960
"""Longer side, in pixels, at which a photo is searched for faces."""
VIDEO_DETECT_SIZE = 400
"""The same for frames of videos and cameras, which have to keep up."""
Blend = Literal["normal", "multiply", "screen"]
Warp = Literal["head", "similarity", "affine", "piecewise"]
FilterWhen = Literal["always", "mouth_open"]
Extra = Literal["pose", "ratios"]
EXTRAS: tuple[Extra, ...] = get_args(Extra)
