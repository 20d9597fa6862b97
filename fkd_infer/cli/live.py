"""fkd-infer live: cameras, streams and videos with their faces drawn, in the browser."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
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
    from fkd_infer.live.source import LiveSource
    from fkd_infer.media.sources import Source

_MAX_SOURCES = 100
"""Of a page."""


@click.command(cls=FkdCommand)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@live_face_options
@provider_options
@view_options
@address_options
@live_limit_options
@click.pass_context
def main(
    context: click.Context,
    sources: tuple[str, ...],
    faces: LiveFaceOptions,
    providers: ProviderOptions,
    view: ViewOptions,
    address: AddressOptions,
    limits: Limits,
) -> None:
    """Show a camera, stream or video with its faces drawn in the browser, as it runs.

    SOURCE is the number of a camera, a stream's URL, or a video, which is repeated at its own
    speed. The first one is shown. On the page, viewers choose another one, change filters,
    smoothing and layers, and save pictures and recordings. Ctrl-C ends the command.
    """
    from fkd_infer.live.access.listener import open_listener
    from fkd_infer.live.runner import LiveRunner
    from fkd_infer.live.server import LiveServer
    from fkd_infer.live.state import PageInfo

    offered = _offered_sources(sources, address.offers_cameras, limits)
    with (
        open_listener(address.host, address.port) as listener,
        exit_on_signals(context, "stopped"),
    ):
        tracker = faces.tracker(view.smooth, providers)
        scheme = tracker.pipeline.card.landmarks
        chosen, filters = _filters(view.filters, scheme)
        runner = LiveRunner(offered, tracker, scheme, filters, view.settings(chosen))
        titles = {name: each.title for name, each in filters.items()}
        info = PageInfo([source.title for source in offered], titles)
        server = LiveServer(runner, info, listener, address.host, address.token)
        with runner:
            runner.wait()
            click.echo(f"{offered[0].title} is shown at{_addresses(server.urls, address.host)}")
            click.echo("Ctrl-C ends it.")
            server.run()
        runner.check()
        click.echo(f"{info.sources[runner.settings.source]} has ended")


def _offered_sources(
    arguments: Sequence[str], with_cameras: bool, limits: Limits
) -> list[LiveSource]:
    """The sources that viewers can choose: those of the command line, and this machine's cameras.

    Raises LiveError.
    """
    from fkd_infer.errors import LiveError
    from fkd_infer.live.source import camera_title, live_source
    from fkd_infer.media.camera_list import find_cameras
    from fkd_infer.media.sources import expand_sources

    sources = [source for text in arguments for source in _moving_sources(text)]
    offered = [live_source(source, limits) for source in sources]
    if with_cameras:
        named = {source.camera for source in sources}
        for camera in find_cameras():
            if camera.number not in named:
                (source,) = expand_sources(str(camera.number))
                offered.append(live_source(source, limits, camera_title(camera)))
    if len(offered) > _MAX_SOURCES:
        raise LiveError(
            "", f"{len(offered)} sources are too many for a page", f"name at most {_MAX_SOURCES}"
        )
    return offered


def _moving_sources(text: str) -> list[Source]:
    """The cameras, streams and videos that an argument stands for; raises LiveError."""
    from fkd_infer.errors import LiveError
    from fkd_infer.media.sources import expand_sources

    found = expand_sources([text])
    moving = [source for source in found if source.kind != "image"]
    if not moving:
        raise LiveError(text, "an image does not move", "live shows cameras, streams and videos")
    return moving


def _addresses(urls: Sequence[str], host: str) -> str:
    """The page's addresses as they are printed, with a QR code for other machines' cameras."""
    from fkd_infer.live.access.hosts import is_loopback
    from fkd_infer.live.access.qr_code import terminal_qr_code

    text = f" {urls[0]}" if len(urls) == 1 else "".join(f"\n  {url}" for url in urls)
    if is_loopback(host) or not sys.stdout.isatty() or "utf" not in sys.stdout.encoding.lower():
        return text
    return f"{text}\n{terminal_qr_code(urls[0])}"


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
