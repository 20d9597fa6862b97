"""Options of fkd-infer live: how faces are found, what is shown at first, and where."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.choices import (
    DEFAULT_SMOOTHING,
    SMOOTHINGS,
    DrawLayer,
    Roll,
    Smoothing,
)
from fkd_infer.cli.options.detectors import (
    detect_every_option,
    detector_model_option,
    detector_option,
    max_size_option,
    min_face_option,
    min_score_option,
    roll_option,
    video_size_text,
)
from fkd_infer.cli.options.drawing import draw_option, layers_to_draw
from fkd_infer.cli.options.group import NameOrPath, group
from fkd_infer.cli.options.networks import ProviderOptions, model_option, threads_option
from fkd_infer.detection.registry import SEARCHING, find_detector

if TYPE_CHECKING:
    from fkd_infer.live.view import ViewSettings
    from fkd_infer.tracking.tracker import Tracker

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,256}")


@dataclass(frozen=True)
class LiveFaceOptions:
    """How faces are found in a live source; None stands for a default that depends on others."""

    model: str
    detector: str
    detector_model: Path | None
    max_size: int | None
    min_face: float | None
    min_score: float | None
    roll: Roll | None
    detect_every: int | None
    threads: int | None

    def tracker(self, smoothing: Smoothing, providers: ProviderOptions) -> Tracker:
        """Loads the networks, and returns a tracker that runs them."""
        from fkd_infer.detection.factory import video_detector
        from fkd_infer.detection.tiling import Search
        from fkd_infer.loading import load
        from fkd_infer.tracking.tracker import Tracker

        pipeline = load(
            self.model,
            detector=self.detector,
            detector_model=self.detector_model,
            provider=providers.landmarks(),
            detector_provider=providers.detector(),
            threads=self.threads,
        )
        size = self.max_size or find_detector(self.detector).search_sizes.videos
        search = Search(size, self.min_face, self.min_score, self.roll or "upright")
        detector = video_detector(pipeline.detector, search)
        return Tracker(pipeline, detector, self.detect_every, smoothing)


live_face_options = group(
    "faces",
    LiveFaceOptions,
    "Faces and points",
    model=model_option,
    detector=detector_option(SEARCHING),
    detector_model=detector_model_option,
    max_size=max_size_option(video_size_text()),
    min_face=min_face_option,
    min_score=min_score_option,
    roll=roll_option,
    detect_every=detect_every_option,
    threads=threads_option("all cores"),
)
"""Adds `faces`: how faces are found."""


@dataclass(frozen=True)
class ViewOptions:
    """What the page shows at first."""

    smooth: Smoothing
    filters: tuple[str, ...]
    layers: tuple[DrawLayer, ...]

    def settings(self, filters: tuple[str, ...]) -> ViewSettings:
        """What is drawn at first, with these names of the filters."""
        from fkd_infer.live.view import ViewSettings

        return ViewSettings(filters, self.smooth, layers_to_draw(self.layers, filters))


view_options = group(
    "view",
    ViewOptions,
    "What is shown at first",
    smooth=click.option(
        "--smooth",
        type=click.Choice(SMOOTHINGS),
        default=DEFAULT_SMOOTHING,
        show_default=True,
        help="Smooth points this strongly at first.",
    ),
    filters=click.option(
        "--filter",
        "filters",
        type=NameOrPath(),
        multiple=True,
        metavar="NAME|DIR",
        help="Draw this filter, or a pack's folder, at first; may be repeated. The page offers it "
        "beside the built-in ones.",
    ),
    layers=draw_option("Draw this layer at first; may be repeated."),
)
"""Adds `view`: what the page shows at first, and viewers can change."""


@dataclass(frozen=True)
class AddressOptions:
    """Where the page is served, the token that its address must contain, if any, and whether it
    offers all cameras of this machine."""

    host: str
    port: int
    token: str | None
    offers_cameras: bool


def _address(host: str, port: int, token: str | None, cameras: bool | None) -> AddressOptions:
    from fkd_infer.live.access.hosts import is_loopback

    is_private = is_loopback(host)
    if token is None and not is_private:
        token = secrets.token_urlsafe(24)
    return AddressOptions(host, port, token, is_private if cameras is None else cameras)


def _check_token(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> str | None:
    if value is not None and not _TOKEN.fullmatch(value):
        raise click.BadParameter("it must be 16 to 256 letters, digits, '-' and '_'")
    return value


address_options = group(
    "address",
    _address,
    "The page",
    host=click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        help="Serve the page at this address; any but loopback needs a token.",
    ),
    port=click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=8765,
        show_default=True,
        help="Serve the page at this port; 0 uses any free one.",
    ),
    token=click.option(
        "--token",
        callback=_check_token,
        envvar="FKD_LIVE_TOKEN",
        show_envvar=True,
        show_default="generated if --host needs one",
        help="Require this secret in the page's address: 16 to 256 letters, digits, '-' and '_'.",
    ),
    cameras=click.option(
        "--cameras/--no-cameras",
        default=None,
        show_default="unless --host lets other machines in",
        help="Offer all cameras of this machine on the page, beside each SOURCE; on Linux alone.",
    ),
)
"""Adds `address`: where the page is served."""
