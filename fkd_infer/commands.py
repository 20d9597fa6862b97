"""What all fkd commands share: one line for a user's mistake, a traceback only with --debug."""

from __future__ import annotations

import click

from fkd_infer.errors import FkdError


class FkdCommand(click.Command):
    """A command that ends with one line and exit code 1 on an FkdError."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        debug = click.Option(["--debug"], is_flag=True, help="Show a traceback for errors.")
        self.params.append(debug)

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command's body."""
        debug = ctx.params.pop("debug")
        try:
            return super().invoke(ctx)
        except FkdError as error:
            if debug:
                raise
            click.echo(f"{ctx.info_name}: {error}", err=True)
            ctx.exit(1)
