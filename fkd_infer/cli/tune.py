"""fkd-infer tune: finds the fastest settings of a model on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from fkd_infer.choices import GOALS, NETWORKS, Goal, Networks
from fkd_infer.cli.command import FkdCommand, exit_on_signals
from fkd_infer.cli.options.detectors import detector_model_option
from fkd_infer.cli.options.group import FiniteRange
from fkd_infer.cli.options.networks import ProviderOptions, model_option, provider_options
from fkd_infer.runtime.choice import ProviderChoice


@click.command(cls=FkdCommand)
@model_option
@detector_model_option
@provider_options
@click.option(
    "--networks",
    type=click.Choice(NETWORKS),
    default=NETWORKS[0],
    show_default=True,
    help="Tune the landmark network, fkd's own detector, or both, which share the time.",
)
@click.option(
    "--goal",
    type=click.Choice(GOALS),
    default="pipeline",
    show_default=True,
    help="pipeline: measure a small frame through detection and two passes of the network, where "
    "threads that spin take cores from OpenCV; latency: the network alone, call after call.",
)
@click.option(
    "--seconds",
    type=FiniteRange(5),
    default=60,
    show_default=True,
    help="Stop after this many seconds.",
)
@click.option(
    "--only-this-file",
    is_flag=True,
    help="Try no other files of the same weights; their points differ a little.",
)
@click.pass_context
def main(
    context: click.Context,
    model: str,
    detector_model: Path | None,
    providers: ProviderOptions,
    networks: Networks,
    goal: Goal,
    seconds: float,
    only_this_file: bool,
) -> None:
    """Find the fastest settings of the networks on this machine and provider.

    Tries threads, spinning, graph levels, the provider's options, other files of the same weights,
    and faces per call. Saves what is significantly faster, for fkd-infer and fkd_infer.load(). Run
    nothing else meanwhile.
    """
    from fkd_infer.models.shipped import find_model
    from fkd_infer.runtime.tuned.profile import check_writable, write_profile
    from fkd_infer.tuning.search import tune
    from fkd_infer.tuning.subjects import Landmarks, OwnDetector, Subject

    subjects: list[tuple[Subject, ProviderChoice]] = []
    if networks != "detector":
        subjects.append((Landmarks(find_model(model), goal), providers.landmarks()))
    if networks != "landmarks":
        on = providers.detector() or providers.landmarks()
        subjects.append((OwnDetector(detector_model, on), on))
    check_writable()
    with exit_on_signals(context, f"{context.info_name}: stopped, nothing more was saved"):
        for subject, choice in subjects:
            profile = tune(subject, choice, seconds / len(subjects), only_this_file, click.echo)
            if profile is None:
                click.echo("Nothing is saved: use more --seconds, or end what else is running.\n")
                continue
            write_profile(profile, subject.model)
            click.echo(f"Saved: {profile.path}\nTo undo, delete it or use --no-tuned.\n")


if __name__ == "__main__":
    main()
