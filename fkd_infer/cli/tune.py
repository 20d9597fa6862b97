"""fkd-infer tune: how a model is best run on this machine."""

from __future__ import annotations

import signal

import click

from fkd_infer.choices import GOALS, Goal
from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.faces import model_option


@click.command(cls=FkdCommand)
@model_option
@click.option(
    "--goal",
    type=click.Choice(GOALS),
    default="pipeline",
    show_default=True,
    help="pipeline: OpenCV works between calls; latency: the network alone, call after call.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(5),
    default=60,
    show_default=True,
    help="Time that it may take.",
)
@click.option(
    "--only-this-file",
    is_flag=True,
    help="Try no other files of the same weights beside it, which answer a little differently.",
)
@click.pass_context
def main(
    context: click.Context, model: str, goal: Goal, seconds: float, only_this_file: bool
) -> None:
    """Find out how a model is best run on this machine.

    Tries threads, spinning, graph levels, other files of the same weights, and faces per call, and
    keeps what is quicker for certain. fkd-infer and fkd_infer.load() use it from then on. Leave the
    machine alone meanwhile.
    """
    from fkd_infer.models.shipped import find_model
    from fkd_infer.runtime.tuned_profile import check_writable, write_profile
    from fkd_infer.tuning.search import tune

    path = find_model(model)
    check_writable()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        profile = tune(path, goal, seconds, only_this_file, click.echo)
        write_profile(profile, path)
    except KeyboardInterrupt:
        click.echo(f"{context.info_name}: stopped, nothing was saved", err=True)
        context.exit(130)
    finally:
        signal.signal(signal.SIGTERM, before)
    click.echo(f"Saved: {profile.path}\nTo go back, delete it, or use --no-tuned.")


if __name__ == "__main__":
    main()
