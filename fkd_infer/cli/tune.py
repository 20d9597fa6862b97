"""fkd-infer tune: finds the fastest settings of a model on this machine."""

from __future__ import annotations

import click

from fkd_infer.choices import GOALS, Goal
from fkd_infer.cli.command import FkdCommand, exit_on_signals
from fkd_infer.cli.options.group import FiniteRange
from fkd_infer.cli.options.networks import model_option


@click.command(cls=FkdCommand)
@model_option
@click.option(
    "--goal",
    type=click.Choice(GOALS),
    default="pipeline",
    show_default=True,
    help="Tune for calls with OpenCV's work between them, or for the network alone.",
)
@click.option(
    "--seconds",
    type=FiniteRange(5),
    default=60,
    show_default=True,
    help="Stop after this time.",
)
@click.option(
    "--only-this-file",
    is_flag=True,
    help="Try no other files of the same weights; their points differ a little.",
)
@click.pass_context
def main(
    context: click.Context, model: str, goal: Goal, seconds: float, only_this_file: bool
) -> None:
    """Find the fastest settings of a model on this machine.

    Tries threads, spinning, graph levels, other files of the same weights, and faces per call.
    Saves what is significantly faster, for fkd-infer and fkd_infer.load(). Run nothing else
    meanwhile.
    """
    from fkd_infer.models.shipped import find_model
    from fkd_infer.runtime.tuned_profile import check_writable, write_profile
    from fkd_infer.tuning.search import tune

    path = find_model(model)
    check_writable()
    with exit_on_signals(context, f"{context.info_name}: stopped, nothing was saved"):
        profile = tune(path, goal, seconds, only_this_file, click.echo)
        write_profile(profile, path)
    click.echo(f"Saved: {profile.path}\nTo undo, delete it or use --no-tuned.")


if __name__ == "__main__":
    main()
