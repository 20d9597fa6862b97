"""The names that options accept, and defaults. Imports nothing heavy, so that --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias, get_args

Blend = Literal["normal", "multiply", "screen"]
Border = Literal["replicate", "black"]
Codec = Literal["h264", "h265", "vp9", "av1"]
DrawLayer = Literal["contours", "points", "mesh", "box", "score", "id", "numbers"]
Extra = Literal["pose", "ratios", "spread"]
FilterWhen = Literal["always", "mouth_open"]
Goal = Literal["pipeline", "latency"]
Networks = Literal["both", "landmarks", "detector"]
GraphLevel = Literal["none", "basic", "extended", "all"]
Platform = Literal["any", "avx2", "vnni", "arm"]
"""CPUs that an int8 network is optimized for."""
Provider: TypeAlias = str
"""A provider of `fkd_infer/runtime/providers/registry.py` by name, or "auto"."""
Roll = Literal["upright", "any"]
"""Whether faces are searched for as they are, or also turned sideways and upside down."""
Smoothing = Literal["off", "low", "medium", "high"]
VideoSmoothing = Literal["off", "low", "medium", "high", "offline"]

CODECS: tuple[Codec, ...] = get_args(Codec)
DRAW_LAYERS: tuple[DrawLayer, ...] = get_args(DrawLayer)
EXTRAS: tuple[Extra, ...] = get_args(Extra)
GOALS: tuple[Goal, ...] = get_args(Goal)
NETWORKS: tuple[Networks, ...] = get_args(Networks)
GRAPH_LEVELS: tuple[GraphLevel, ...] = get_args(GraphLevel)
PLATFORMS: tuple[Platform, ...] = get_args(Platform)
ROLLS: tuple[Roll, ...] = get_args(Roll)
SMOOTHINGS: tuple[Smoothing, ...] = get_args(Smoothing)
VIDEO_SMOOTHINGS: tuple[VideoSmoothing, ...] = get_args(VideoSmoothing)

STDOUT = Path("-")
"""The file name that stands for standard output."""
DEFAULT_MODEL = "fkdnet"
BATCH = 16
"""Faces in one call of the landmark network, if that many are waiting."""
DEFAULT_QUALITY = 75
"""Of an encoded video, from 0 to 100; each codec has its usual rate factor here."""
DEFAULT_DRAW_LAYERS: tuple[DrawLayer, ...] = ("contours", "points")
DEFAULT_SMOOTHING: VideoSmoothing = "medium"
MIN_PRESENCE = 0.5
"""Faces with a lower presence score are left out."""
MIN_IMAGE_SIDE, MAX_IMAGE_SIDE = 64, 4096
"""Of the images of an end-to-end file for one size, in pixels."""
MAX_FACES = 32
"""Of an end-to-end file for images of one size."""
MAX_BATCH = 4096
"""Inputs in a call of an exported file with a fixed number of them."""
MAX_MEGAPIXELS = 250
"""Of a photo or frame; the largest cameras have 200."""
MAX_FRAMES = 10_000_000
MAX_SECONDS = 86_400.0
"""Of a video, stream or camera."""
DEFAULT_DETECTOR = "fkd"
DETECTOR_MODEL = "fkd-detector"
CPU_DETECTOR_MODEL = "fkd-detector-int8"
"""The same network with its full convolutions in int8, which is faster on the CPU."""
