"""fkd-infer live: a camera, stream or video with its faces drawn, in the browser."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from fkd_infer.cli.command import FkdCommand, exit_on_signals
from fkd_infer.cli.options.live import address_options, live_face_options, view_options
from fkd_infer.cli.options.media import live_limit_options
from fkd_infer.cli.options.networks import provider_options

if TYPE_CHECKING:
    from fkd_infer.cli.options.live import AddressOptions, LiveFaceOptions, ViewOptions
    from fkd_infer.cli.options.networks import ProviderOptions
    from fkd_infer.filters.filter import Filter
    from fkd_infer.landmarks.schemes import LandmarkScheme
    from fkd_infer.limits import Limits
    from fkd_infer.live.runner import LiveRunner
    from fkd_infer.media.sources import Source
    from fkd_infer.tracking.tracker import Tracker

_ONE_MOVING = "live shows one camera, stream or video"


@click.command(cls=FkdCommand)
@click.argument("source")
@live_face_options
@provider_options
@view_options
@address_options
@live_limit_options
@click.pass_context
def main(
    context: click.Context,
    source: str,
    faces: LiveFaceOptions,
    providers: ProviderOptions,
    view: ViewOptions,
    address: AddressOptions,
    limits: Limits,
) -> None:
    """Show a camera, stream or video with its faces drawn in the browser, as it runs.

    SOURCE is the number of a camera, a stream's URL, or a video, which is repeated at its own
    speed. On the page, viewers change filters, smoothing and layers, and save pictures. Ctrl-C
    ends the command.
    """
    from fkd_infer.live.access.listener import open_listener
    from fkd_infer.live.server import LiveServer
    from fkd_infer.live.state import PageInfo

    moving = _single_moving_source(source)
    title = _title(moving)
    with (
        open_listener(address.host, address.port) as listener,
        exit_on_signals(context, "stopped"),
    ):
        tracker = faces.tracker(view.smooth, providers)
        runner, filters = _runner(moving, tracker, view, limits)
        titles = {name: each.title for name, each in filters.items()}
        info = PageInfo(title, titles)
        server = LiveServer(runner, info, listener, address.host, address.token)
        with runner:
            runner.wait()
            click.echo(f"{title} is shown at{_addresses(server.urls, address.host)}")
            click.echo("Ctrl-C ends it.")
            server.run()
        runner.check()
        click.echo(f"{title} has ended")


def _addresses(urls: Sequence[str], host: str) -> str:
    """The page's addresses as they are printed, with a QR code for other machines' cameras."""
    from fkd_infer.live.access.hosts import is_loopback
    from fkd_infer.live.access.qr_code import terminal_qr_code

    text = f" {urls[0]}" if len(urls) == 1 else "".join(f"\n  {url}" for url in urls)
    if is_loopback(host) or not sys.stdout.isatty() or "utf" not in sys.stdout.encoding.lower():
        return text
    return f"{text}\n{terminal_qr_code(urls[0])}"


def _runner(
    source: Source, tracker: Tracker, view: ViewOptions, limits: Limits
) -> tuple[LiveRunner, Mapping[str, Filter]]:
    """The runner of a source, and the filters that viewers can choose."""
    from fkd_infer.live.runner import LiveRunner
    from fkd_infer.media.frames import frames_from

    scheme = tracker.pipeline.card.landmarks
    chosen, filters = _filters(view.filters, scheme)
    runner = LiveRunner(
        partial(frames_from, source, limits=limits),
        tracker,
        scheme,
        filters,
        view.settings(chosen),
        paced=source.kind == "video",
    )
    return runner, filters


def _single_moving_source(text: str) -> Source:
    """The one camera, stream or video that an argument stands for; raises LiveError."""
    from fkd_infer.errors import LiveError
    from fkd_infer.media.sources import expand_sources

    sources = expand_sources([text])
    if len(sources) != 1:
        raise LiveError(text, f"it stands for {len(sources)} sources", _ONE_MOVING)
    if sources[0].kind == "image":
        raise LiveError(text, "an image does not move", _ONE_MOVING)
    return sources[0]


def _title(source: Source) -> str:
    """The name that viewers see: without folders, passwords and unprintable characters."""
    if source.camera is not None:
        return f"camera {source.camera}"
    if source.path is not None:
        name = source.path.name
    else:
        name = re.sub(r"//[^/@]*@", "//", source.name).partition("?")[0]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


def _filters(
    names: Sequence[str], scheme: LandmarkScheme
) -> tuple[tuple[str, ...], Mapping[str, Filter]]:
    """Names of the filters to draw at first, and all filters for the scheme; raises FilterError."""
    from fkd_infer.filters.filter import builtin_filters, load_filter

    built_in = [load_filter(name) for name in builtin_filters()]
    filters = {each.name: each for each in built_in if each.scheme == scheme.name}
    chosen = [load_filter(name) for name in names]
    for each in chosen:
        each.check_scheme(scheme)
        filters[each.name] = each
    return tuple(dict.fromkeys(each.name for each in chosen)), filters


if __name__ == "__main__":
    main()
