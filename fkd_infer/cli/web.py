"""fkd-infer web: the page that runs the networks in the browser, served on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from fkd_infer.cli.command import FkdCommand, exit_on_signals
from fkd_infer.cli.options.group import PATH
from fkd_infer.cli.options.networks import model_option


@click.command(cls=FkdCommand)
@model_option
@click.option(
    "--page",
    type=PATH,
    show_default="dist/web of the repository",
    help="The folder of the built page.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Serve the page at this address; browsers give cameras only to localhost and to https.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8770,
    show_default=True,
    help="Serve the page at this port; 0 uses any free one.",
)
@click.option("--no-browser", is_flag=True, help="Do not open the page in a browser.")
@click.pass_context
def main(
    context: click.Context,
    model: str,
    page: Path | None,
    host: str,
    port: int,
    no_browser: bool,
) -> None:
    """Serve the page that runs the networks in the browser, with a network of your own.

    Pictures do not leave the browser: this command only serves files. Ctrl-C ends it.
    """
    import webbrowser

    from fkd_infer.live.access.hosts import is_loopback
    from fkd_infer.live.access.listener import open_listener
    from fkd_infer.models.shipped import find_model
    from fkd_infer.web.page import WebPage
    from fkd_infer.web.server import WebServer

    built = WebPage.open(page).with_model(find_model(model))
    with (
        open_listener(host, port) as listener,
        WebServer(built, listener, host) as server,
        exit_on_signals(context, "stopped"),
    ):
        url, *others = server.urls
        also = f" ({', '.join(others)})" if others else ""
        click.echo(f"The page with {model} is at {url}{also}\nCtrl-C ends it.")
        if not is_loopback(host):
            click.echo(
                "Browsers give it no camera by http from other machines; photos and videos work.",
                err=True,
            )
        if not no_browser:
            webbrowser.open(url)
        server.serve_forever()


if __name__ == "__main__":
    main()
