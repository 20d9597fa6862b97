"""fkd-infer live: a camera, stream or video with its faces drawn, in the browser."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.choices import (
    DEFAULT_DRAW_LAYERS,
    DEFAULT_SMOOTHING,
    DRAW_LAYERS,
    SMOOTHINGS,
    DrawLayer,
    Provider,
    Smoothing,
)
from fkd_infer.cli.command import FkdCommand, exit_on_signals
from fkd_infer.cli.options.detectors import (
    detector_model_option,
    detector_option,
    video_size_text,
)
from fkd_infer.cli.options.faces import (
    min_face_option,
    min_score_option,
    model_option,
    provider_option,
)
from fkd_infer.cli.options.media import live_limit_options
from fkd_infer.detection.registry import SEARCHING, find_detector

if TYPE_CHECKING:
    from fkd_infer.filters.filter import Filter
    from fkd_infer.landmarks.schemes import LandmarkScheme
    from fkd_infer.limits import Limits
    from fkd_infer.media.sources import Source

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,256}")
_ONE_MOVING = "live takes one camera or video"


def _token(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _TOKEN.fullmatch(value):
        raise click.BadParameter("16 to 256 letters, digits, '-' and '_'")
    return value


@click.command(cls=FkdCommand)
@click.argument("source")
@model_option
@detector_option(SEARCHING)
@detector_model_option
@click.option(
    "--max-size",
    type=click.IntRange(64),
    show_default=video_size_text(),
    help="Longer side, px, at which a frame is searched; more finds smaller faces.",
)
@min_face_option
@min_score_option
@click.option(
    "--detect-every",
    type=click.IntRange(1),
    show_default="as often as is needed",
    help="Search every so many frames; between them faces are followed.",
)
@click.option(
    "--smooth",
    type=click.Choice(SMOOTHINGS),
    default=DEFAULT_SMOOTHING,
    show_default=True,
    help="How much jitter is taken out at first; the page can change it.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="NAME|DIR",
    help="A filter that is on at first: built in, or a folder; may be given several times.",
)
@click.option(
    "--draw",
    "layers",
    type=click.Choice(DRAW_LAYERS),
    multiple=True,
    default=DEFAULT_DRAW_LAYERS,
    show_default=True,
    help="What is drawn at first; may be given several times.",
)
@provider_option
@click.option(
    "--threads", type=click.IntRange(1), show_default="all cores", help="Threads of the network."
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to serve at; any but this machine's own loopback needs a token.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="Port to serve at; 0 takes any free one.",
)
@click.option(
    "--token",
    callback=_token,
    envvar="FKD_LIVE_TOKEN",
    show_envvar=True,
    show_default="made up where --host needs one",
    help="Secret that the page's address must carry.",
)
@live_limit_options
@click.pass_context
def main(
    context: click.Context,
    source: str,
    model: str,
    detector: str,
    detector_model: Path | None,
    max_size: int | None,
    min_face: float | None,
    min_score: float | None,
    detect_every: int | None,
    smooth: Smoothing,
    filters: tuple[str, ...],
    layers: tuple[DrawLayer, ...],
    provider: Provider,
    threads: int | None,
    host: str,
    port: int,
    token: str | None,
    limits: Limits,
) -> None:
    """Show a camera, stream or video with its faces drawn, as it runs, in the browser.

    SOURCE is a video, which plays at its own speed and again and again, the number of a camera, or
    a stream's URL.
    The page changes filters, smoothing and what is drawn, and saves pictures. Ctrl-C ends it.
    """
    from fkd_infer.detection.factory import video_detector
    from fkd_infer.detection.tiling import Search
    from fkd_infer.live.hosts import is_loopback
    from fkd_infer.live.listener import open_listener
    from fkd_infer.live.runner import LiveRunner
    from fkd_infer.live.server import LiveServer
    from fkd_infer.live.state import PageInfo
    from fkd_infer.live.view import ViewSettings
    from fkd_infer.media.frames import frames_from
    from fkd_infer.pipeline import load
    from fkd_infer.tracking.tracker import Tracker

    found = _one_moving(source)
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    with open_listener(host, port) as listener, exit_on_signals(context, "stopped"):
        pipeline = load(
            model,
            detector=detector,
            detector_model=detector_model,
            provider=provider,
            threads=threads,
        )
        size = max_size or find_detector(detector).search_sizes.videos
        searching = video_detector(pipeline.detector, Search(size, min_face, min_score))
        scheme = pipeline.card.landmarks
        on, known = _filters(filters, scheme)
        live = LiveRunner(
            partial(frames_from, found, limits=limits),
            Tracker(pipeline, searching, detect_every, smooth),
            scheme,
            known,
            ViewSettings(on, smooth, layers),
            paced=found.kind == "video",
        )
        titles = {name: one.title for name, one in known.items()}
        server = LiveServer(
            live,
            PageInfo(_title(found), titles),
            listener,
            host,
            token,
        )
        with live:
            live.wait()
            click.echo(f"{_title(found)} is shown at {server.url}\nCtrl-C ends it.")
            server.run()
        live.check()
        click.echo(f"{_title(found)} has ended")


def _one_moving(text: str) -> Source:
    """The one source that a text stands for; raises LiveError."""
    from fkd_infer.errors import LiveError
    from fkd_infer.media.sources import expand_sources

    sources = expand_sources([text])
    if len(sources) != 1:
        raise LiveError(text, f"it stands for {len(sources)} sources", _ONE_MOVING)
    if sources[0].kind == "image":
        raise LiveError(text, "an image does not move", _ONE_MOVING)
    return sources[0]


def _title(source: Source) -> str:
    """What viewers may know of a source: no folders, no passwords, and nothing that is no text."""
    if source.camera is not None:
        return f"camera {source.camera}"
    if source.path is not None:
        name = source.path.name
    else:
        name = re.sub(r"//[^/@]*@", "//", source.name).partition("?")[0]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


def _filters(
    given: Sequence[str], scheme: LandmarkScheme
) -> tuple[tuple[str, ...], Mapping[str, Filter]]:
    """Names of the given filters, and all to choose from: those built in for the scheme, and the
    given ones. Raises what load_filters does."""
    from fkd_infer.filters.filter import builtin_filters, load_filter

    built_in = [load_filter(name) for name in builtin_filters()]
    known = {one.name: one for one in built_in if one.scheme == scheme.name}
    on = [load_filter(name) for name in given]
    for one in on:
        one.check_scheme(scheme)
        known[one.name] = one
    return tuple(dict.fromkeys(one.name for one in on)), known


if __name__ == "__main__":
    main()
