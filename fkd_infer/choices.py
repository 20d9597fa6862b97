"""Every name that an option takes; free of imports, so that --help is quick."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Border = Literal["replicate", "black"]
Codec = Literal["h264", "h265", "vp9", "av1"]
Goal = Literal["pipeline", "latency"]
GraphLevel = Literal["none", "basic", "extended", "all"]
DrawLayer = Literal["contours", "points", "mesh", "box", "score", "id", "numbers"]
Platform = Literal["any", "avx2", "vnni", "arm"]
"""CPUs that an int8 network is made for."""
Provider: TypeAlias = str
"""A provider of `fkd_infer/runtime/providers/registry.py` by name, or "auto"."""
Smoothing = Literal["off", "low", "medium", "high"]
VideoSmoothing = Literal["off", "low", "medium", "high", "offline"]

CODECS: tuple[Codec, ...] = get_args(Codec)
GOALS: tuple[Goal, ...] = get_args(Goal)
GRAPH_LEVELS: tuple[GraphLevel, ...] = get_args(GraphLevel)
DRAW_LAYERS: tuple[DrawLayer, ...] = get_args(DrawLayer)
PLATFORMS: tuple[Platform, ...] = get_args(Platform)
VIDEO_SMOOTHINGS: tuple[VideoSmoothing, ...] = get_args(VideoSmoothing)
SMOOTHINGS: tuple[Smoothing, ...] = get_args(Smoothing)

DEFAULT_MODEL = "fkdnet"
BATCH = 16
"""Faces that one call of the network takes at once, where there are so many."""
DEFAULT_CODEC: Codec = "h264"
DEFAULT_QUALITY = 75
"""Of an encoded video, from 0 to 100; each codec has its usual rate factor here."""
DEFAULT_DRAW_LAYERS: tuple[DrawLayer, ...] = ("contours", "points")
DEFAULT_SMOOTHING: VideoSmoothing = "medium"
MIN_PRESENCE = 0.5
"""A found face is kept where the network is at least so sure that it saw one."""
MAX_MEGAPIXELS = 250
"""Of a photo or a frame, at most; the largest cameras have 200."""
MAX_FRAMES = 10_000_000
MAX_SECONDS = 86_400.0
"""Of a video, a stream or a camera, at most."""
DEFAULT_DETECTOR = "fkd"
DETECTOR_MODEL = "fkd-detector"
Blend = Literal["normal", "multiply", "screen"]
FilterWhen = Literal["always", "mouth_open"]
Extra = Literal["pose", "ratios"]
EXTRAS: tuple[Extra, ...] = get_args(Extra)
