"""Filters of libavfilter: interlaced pictures, and HDR brought to SDR."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from fkd_infer.canvas.colour_space import BT709_IN_BT2020, ColourSpace
from fkd_infer.canvas.transfer import Sdr, tone_mapped

if TYPE_CHECKING:
    from av.filter import Graph
    from av.filter.context import FilterContext
    from av.video.format import VideoFormat
    from av.video.frame import VideoFrame

T = TypeVar("T")
_LEVEL = 6
"""Of the table of colours: level² = 36 steps in each of red, green and blue."""
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


class ToneMapper:
    """Brings pictures of one HDR space to SDR: BT.709, 8 bits, 4:2:0, limited range.

    Each colour's brightest part is tone-mapped and the others follow it, which keeps hues.
    """

    def __init__(self, space: ColourSpace) -> None:
        self._space = space
        self._graph: Graph | None = None

    @staticmethod
    @lru_cache(maxsize=2)
    def of(space: ColourSpace) -> ToneMapper:
        """That of a space, which is prepared once."""
        return ToneMapper(space)

    def __call__(self, picture: VideoFrame) -> VideoFrame:
        """Brings a picture to SDR."""
        self._graph = self._graph or self._prepared(picture)
        self._source.push(picture)
        mapped = _pull(self._graph)
        mapped.colorspace = mapped.color_primaries = mapped.color_trc = 1
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
        decode = graph.add("scale", "in_color_matrix=bt2020")
        look_up = graph.add("haldclut", "clut=first")
        encode = graph.add("scale", "out_color_matrix=bt709:out_range=tv")
        colours, result = graph.add("format", _RGB), graph.add("format", "yuv420p")
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
        """SDR's colours for evenly spaced ones, red first, as haldclut expects them."""
        steps = np.linspace(0, 1, _LEVEL**2)
        blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
        light = self._space.curve.light(np.stack([red, green, blue], axis=-1))
        brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
        light *= tone_mapped(brightest, self._space.peak) / brightest
        if self._space.is_wide:
            light = light @ np.linalg.inv(BT709_IN_BT2020).T
        side = _LEVEL**3
        return np.rint(65535 * Sdr().signal(light)).astype(np.uint16).reshape(side, side, 3)


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
