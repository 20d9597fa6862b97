"""Options of fkd-export for the page that runs a network in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from fkd_infer.cli.options.group import PATH, Decorator, group


@dataclass(frozen=True)
class WebTarget:
    """The folder that a page with the network is written to, if any, and the built page."""

    folder: Path | None
    page: Path | None

    def __post_init__(self) -> None:
        """Raises UsageError for options that do not go together."""
        if self.page and not self.folder:
            raise click.UsageError("--web-page needs --web DIR")

    def check(self) -> None:
        """Raises WebPageError without a built page, before a network is exported for it."""
        if self.folder is not None:
            from fkd_infer.web.page import WebPage

            WebPage.open(self.page)

    def write(self, model: Path, data: Sequence[Path]) -> list[str]:
        """Writes the page with a model; returns what to print."""
        if self.folder is None:
            return []
        from fkd_infer.web.page import WebPage
        from fkd_train.runtimes.web_page import write_web_page

        check = write_web_page(model, WebPage.open(self.page), self.folder, tuple(data) or None)
        return [str(check), f"{self.folder} is the page, for any host of files by https"]


def web_options() -> Decorator:
    """Adds the options; the command receives them as `web`."""
    return group(
        "web",
        WebTarget,
        "Web page",
        folder=click.option(
            "--web",
            "folder",
            type=PATH,
            metavar="DIR",
            help="Also write a page that runs the network in the browser to this folder, which "
            "must be new or empty.",
        ),
        page=click.option(
            "--web-page",
            "page",
            type=PATH,
            metavar="DIR",
            show_default="dist/web of the repository",
            help="With --web, the folder of the built page.",
        ),
    )
