"""The base of all fkd commands: one line for a user's mistake, a traceback only with --debug."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple

import click

from fkd_infer.cli.options.group import section_of
from fkd_infer.errors import FkdError, InstallError
from fkd_infer.system.files.text_checks import printable

SOME_FAILED = 3
"""Exit code of a run that reached its end, although some sources failed."""
STOPPED = 130
"""Exit code after SIGINT or SIGTERM."""
_DEBUG = click.Option(
    ["--debug"], is_flag=True, help="Show tracebacks, and ONNX Runtime's own lines."
)
_PACKAGES_OF_EXTRAS = {
    "train": (
        "accelerate jinja2 matplotlib onnx onnxscript pandas pydantic safetensors tensorboard "
        "tomli_w torch"
    ),
    "demo": "skimage",
    "parquet": "pyarrow",
    "ray": "ray",
    "live": "h11 psutil segno starlette uvicorn",
}


class FkdCommand(click.Command):
    """A command that ends with one line and exit code 1 after an FkdError."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters, and --debug."""
        return [*super().get_params(ctx), _DEBUG]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the options, section by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and row is not None:
                sections.setdefault(section_of(parameter), []).append(row)
        for title, rows in sections.items():
            with formatter.section(title or "Options"):
                formatter.write_dl(rows)

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Runs the program; a full device behind standard output becomes one line."""
        if sys.platform == "win32" and isinstance(sys.stdout, TextIOWrapper):
            # A pipe there has few letters, and a file's name may have others.
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return super().main(*arguments, **options)
        except OSError as error:
            if isinstance(error, FkdError) or error.errno != errno.ENOSPC:
                raise
            click.echo(f"{Path(sys.argv[0]).name}: standard output: {error.strerror}", err=True)
            sys.exit(1)
        finally:
            _drop_unwritable_output()

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command."""
        debug = ctx.params.pop("debug")
        with _logged(debug):
            try:
                return self._invoke(ctx)
            except FkdError as error:
                if debug:
                    raise
                click.echo(f"{ctx.command_path}: {printable(error)}", err=True)
                ctx.exit(1)

    def _invoke(self, ctx: click.Context) -> object:
        """Runs the command; a missing package of an extra becomes an InstallError."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            for extra, packages in _PACKAGES_OF_EXTRAS.items():
                if package in packages.split():
                    raise InstallError.of_extra(package, extra) from error
            raise


class Subcommand(NamedTuple):
    """The module whose `main` is a command, and one line of help."""

    module: str
    help: str


class CommandWithSubcommands(FkdCommand):
    """A command whose first argument may name another: `fkd-infer photo.jpg`, `fkd-infer tune`.

    A source with the name of a subcommand can be passed as `./tune`.
    """

    def __init__(self, *, subcommands: Mapping[str, Subcommand], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.subcommands = subcommands

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """The context of the subcommand that the first argument names, or else of this command."""
        if args and args[0] in self.subcommands:
            command: click.Command = import_module(self.subcommands[args[0]].module).main
            return command.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command that the context belongs to."""
        return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the subcommands."""
        rows = [(f"{ctx.info_name} {name}", sub.help) for name, sub in self.subcommands.items()]
        with formatter.section("Other commands"):
            formatter.write_dl(rows)


@contextmanager
def _logged(debug: bool) -> Iterator[None]:
    """Prints what fkd logs to standard error, and with `debug` what ONNX Runtime does."""
    handler = logging.StreamHandler()
    loggers = {"fkd_infer": logging.INFO} | ({"onnxruntime": logging.DEBUG} if debug else {})
    levels = {name: logging.getLogger(name).level for name in loggers}
    for name, level in loggers.items():
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).removeHandler(handler)
            logging.getLogger(name).setLevel(level)


def _drop_unwritable_output() -> None:
    """Discards what standard output does not take: Python would report it once more at the end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def exit_on_signals(context: click.Context, message: str) -> Iterator[None]:
    """Ends the command with exit code 130 after SIGINT or SIGTERM.

    Both raise KeyboardInterrupt in the block, so that it can clean up.
    """
    import signal

    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        click.echo(message, err=True)
        context.exit(STOPPED)
    finally:
        signal.signal(signal.SIGTERM, previous)
