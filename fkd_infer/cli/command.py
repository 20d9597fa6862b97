"""What all fkd commands share: one line for a user's mistake, a traceback only with --debug."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from fkd_infer.errors import FkdError, InstallError
from fkd_infer.system.files.text_checks import printable

SOME_FAILED = 3
"""Exit code of a run that came to its end, but not with all sources."""
STOPPED = 130
"""Exit code after SIGINT or SIGTERM."""
_DEBUG = click.Option(["--debug"], is_flag=True, help="Show a traceback for errors.")
_EXTRAS = {
    "train": "accelerate jinja2 matplotlib onnx onnxscript pandas pydantic tensorboard torch",
    "demo": "skimage",
    "live": "starlette uvicorn",
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
            click.echo(f"{ctx.info_name}: {printable(error)}", err=True)
            ctx.exit(1)

    def _with_extras_named(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            for extra, packages in _EXTRAS.items():
                if package in packages.split():
                    raise InstallError.of_extra(package, extra) from error
            raise


class FkdCommandWithOthers(FkdCommand):
    """A command of whose name others begin: `fkd-infer photo.jpg`, and `fkd-infer tune`.

    `others` maps a word to the module whose `main` is that command, and to what it does. A source
    that is called like one of them is given as `./tune`.
    """

    def __init__(self, *, others: Mapping[str, tuple[str, str]], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.others = others

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """The context of the command that the first word asks for."""
        if args and args[0] in self.others:
            other: click.Command = import_module(self.others[args[0]][0]).main
            return other.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command that the context is of."""
        return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names the other commands."""
        with formatter.section("Other commands"):
            formatter.write_dl([(f"{ctx.info_name} {n}", h) for n, (_, h) in self.others.items()])
