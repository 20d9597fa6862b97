"""What all fkd commands share: one line for a user's mistake, a traceback only with --debug."""

from __future__ import annotations

import click

from fkd_infer.errors import FkdError, MissingExtraError

_DEBUG = click.Option(["--debug"], is_flag=True, help="Show a traceback for errors.")
_EXTRAS = {
    "train": "accelerate jinja2 matplotlib onnx onnxscript pandas pydantic tensorboard torch",
    "demo": "skimage",
}


class FkdCommand(click.Command):
    """A command that ends with one line and exit code 1 on an FkdError."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters, and --debug."""
        return [*super().get_params(ctx), _DEBUG]

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command's body."""
        debug = ctx.params.pop("debug")
        try:
            return self._with_extras_named(ctx)
        except FkdError as error:
            if debug:
                raise
            click.echo(f"{ctx.info_name}: {error}", err=True)
            ctx.exit(1)

    def _with_extras_named(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            for extra, packages in _EXTRAS.items():
                if package in packages.split():
                    raise MissingExtraError(package, extra) from error
            raise
