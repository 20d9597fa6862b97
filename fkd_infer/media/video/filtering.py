"""Filters of libavfilter: interlaced pictures, and colours between HDR and SDR."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from fkd_infer.canvas.colour_space import BT601, BT709, BT709_IN_BT2020, BT2020, ColourSpace
from fkd_infer.canvas.transfer import tone_mapped

if TYPE_CHECKING:
    from av.filter import Graph
    from av.filter.context import FilterContext
    from av.video.format import VideoFormat
    from av.video.frame import VideoFrame

T = TypeVar("T")
_LEVEL = 6
"""Of the table of colours: level² = 36 steps in each of red, green and blue."""
SDR = ColourSpace(BT709, BT709, BT709, full_range=False)
"""What HDR is brought to for screens and players without it."""
_RGB = "rgb48le"
_TIME_BASE = Fraction(1, 1000)


def deinterlaced(pictures: Iterable[tuple[VideoFrame, T]]) -> Iterator[tuple[VideoFrame, T]]:
    """Makes whole pictures of interlaced ones, as many as there were, by libavfilter's bwdif.

    Others pass. What comes with each picture, such as its time, stays with it.
    """
    graph: Graph | None = None
    waiting: deque[T] = deque()
    for number, (picture, time) in enumerate(pictures):
        graph = graph or _chain(picture, ("bwdif", "mode=send_frame:deint=interlaced"))
        picture.pts, picture.time_base = number, _TIME_BASE
        waiting.append(time)
        graph.push(picture)
        yield from _pulled(graph, waiting)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph, waiting)


class FieldMarker:
    """Marks pictures as interlaced, which PyAV cannot; `top_first` says which half comes first."""

    def __init__(self, top_first: bool) -> None:
        self._mode = "mode=tff" if top_first else "mode=bff"
        self._graph: Graph | None = None

    def __call__(self, picture: VideoFrame) -> VideoFrame:
        """The same picture, marked."""
        self._graph = self._graph or _chain(picture, ("setfield", self._mode))
        self._graph.push(picture)
        return _pull(self._graph)


class ColourMapper:
    """Brings pictures of one colour space to another, 4:2:0: HDR to SDR, and SDR to HDR.

    Each colour's brightest part is tone-mapped for SDR, and the others follow it, which keeps hues.
    Safe for threads.
    """

    def __init__(self, source: ColourSpace, target: ColourSpace) -> None:
        self._space, self._target = source, target
        self._kind: tuple[int, int, str] | None = None
        self._lock = Lock()

    @staticmethod
    def between(source: ColourSpace, target: ColourSpace) -> ColourMapper:
        """That between two spaces, which is prepared once."""
        return _mapper(source, target, source.peak)

    def __call__(self, picture: VideoFrame) -> VideoFrame:
        """Brings a picture to the other space."""
        kind = picture.width, picture.height, picture.format.name
        with self._lock:
            if kind != self._kind:
                self._kind, self._graph = kind, self._prepared(picture)
            self._source.push(picture)
            mapped = _pull(self._graph)
        target = self._target
        mapped.colorspace, mapped.color_primaries = target.matrix, target.primaries
        mapped.color_trc = target.transfer
        return mapped

    def _prepared(self, picture: VideoFrame) -> Graph:
        """The chain of filters, with the table of colours in it."""
        from av.filter import Graph
        from av.video.format import VideoFormat
        from av.video.frame import VideoFrame

        graph, side = Graph(), _LEVEL**3
        source = _source(graph, picture.width, picture.height, picture.format)
        table = _source(graph, side, side, VideoFormat(_RGB))
        # In planar formats haldclut takes red for green.
        decode = graph.add("scale", f"in_color_matrix={_matrix(self._space)}")
        look_up = graph.add("haldclut", "clut=first")
        limits = "pc" if self._target.full_range else "tv"
        encode = graph.add("scale", f"out_color_matrix={_matrix(self._target)}:out_range={limits}")
        depth = "" if self._target.bits == 8 else "10le"
        colours, result = graph.add("format", _RGB), graph.add("format", f"yuv420p{depth}")
        for one, other in pairwise([source, decode, colours, look_up, encode, result]):
            one.link_to(other)
        table.link_to(look_up, 0, 1)
        result.link_to(graph.add("buffersink"))
        graph.configure()
        table.push(VideoFrame.from_ndarray(self._table(), format=_RGB))
        table.push(None)
        self._source = source
        return graph

    def _table(self) -> NDArray[np.uint16]:
        """The colours for evenly spaced ones, red first, as haldclut expects them."""
        steps = np.linspace(0, 1, _LEVEL**2)
        blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
        light = self._space.curve.light(np.stack([red, green, blue], axis=-1))
        if self._space.is_hdr and not self._target.is_hdr:
            brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
            light *= tone_mapped(brightest, self._space.peak) / brightest
        if self._space.is_wide and not self._target.is_wide:
            light = light @ np.linalg.inv(BT709_IN_BT2020).T
        elif self._target.is_wide and not self._space.is_wide:
            light = light @ BT709_IN_BT2020.T
        side = _LEVEL**3
        signal = self._target.curve.signal(light)
        return np.rint(65535 * signal).astype(np.uint16).reshape(side, side, 3)


@lru_cache(maxsize=4)
def _mapper(source: ColourSpace, target: ColourSpace, _peak: float) -> ColourMapper:
    """Spaces are equal whatever their peak is, and mappings are not."""
    return ColourMapper(source, target)


def _matrix(space: ColourSpace) -> str:
    """libavfilter's name of a matrix."""
    return {BT601: "bt601", BT2020: "bt2020"}.get(space.effective_matrix, "bt709")


def _chain(picture: VideoFrame, *filters: tuple[str, str]) -> Graph:
    """A graph of one filter after the other, which ends in a sink."""
    from av.filter import Graph

    graph = Graph()
    source = _source(graph, picture.width, picture.height, picture.format)
    graph.link_nodes(source, *(graph.add(*one) for one in filters), graph.add("buffersink"))
    graph.configure()
    return graph


def _source(graph: Graph, width: int, height: int, format: VideoFormat) -> FilterContext:
    return graph.add_buffer(width=width, height=height, format=format, time_base=_TIME_BASE)


def _pull(graph: Graph) -> VideoFrame:
    from av.video.frame import VideoFrame

    picture = graph.pull()
    assert isinstance(picture, VideoFrame)
    return picture


def _pulled(graph: Graph, waiting: deque[T]) -> Iterator[tuple[VideoFrame, T]]:
    from av.error import BlockingIOError, EOFError

    try:
        while True:
            yield _pull(graph), waiting.popleft()
    except (BlockingIOError, EOFError):
        return
