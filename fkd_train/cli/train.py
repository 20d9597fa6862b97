"""fkd-train: trains a network from a recipe."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fkd_infer.cli.command import STOPPED, CommandWithSubcommands, Subcommand
from fkd_infer.cli.options.group import FiniteRange, section
from fkd_train.cli.options import data_option, split_option, with_overrides

if TYPE_CHECKING:
    from fkd_train.config.recipe import Recipe
    from fkd_train.training.run_folder import RunOptions

_SUBCOMMANDS = {
    "check-data": Subcommand(
        "fkd_train.cli.check_data", "Count the faces of data sets; look for wrong annotations."
    ),
}


@click.command(cls=CommandWithSubcommands, subcommands=_SUBCOMMANDS)
@click.option(
    "--recipe",
    "name",
    is_flag=False,
    flag_value="",
    metavar="[NAME|FILE]",
    help="Train by this shipped recipe, or a TOML file. Without a value: list the shipped recipes.",
)
@click.option(
    "--print",
    "print_recipe",
    is_flag=True,
    help="Print the whole recipe as a TOML file to start from, with its defaults and the values "
    "that other options replace.",
)
@data_option(required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Write to this run folder.")
@click.option(
    "--init",
    type=click.Path(path_type=Path),
    help="Start with those weights of this .pt, .pth or .safetensors file that fit.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue the run in --out, with its recipe, data and options unless others are stated.",
)
@click.option(
    "--force",
    is_flag=True,
    help="With --resume: continue although the recipe or the data changed; prints what did.",
)
@section(
    "Values of the recipe",
    split_option(default=None, help="Replace the recipe's split, for all data sets."),
    click.option("--epochs", type=click.IntRange(1), help="Replace the recipe's epochs."),
    click.option(
        "--size",
        type=click.IntRange(16),
        help="Replace the recipe's input size, in px; for a detector, the size of its mosaics.",
    ),
    click.option("--seed", type=click.IntRange(0), help="Replace the recipe's seed."),
    click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        help="Replace any other value, written as in the recipe, such as optimizer.lr=0.002 or "
        "\"model.head='grid'\"; may be repeated.",
    ),
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    show_default="1",
    help="Load batches in this many processes.",
)
@click.option(
    "--save-every",
    type=FiniteRange(0),
    show_default="10",
    metavar="MINUTES",
    help="Also save within an epoch, at this interval.",
)
@click.option(
    "--peer-timeout",
    type=FiniteRange(0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="MINUTES",
    help="Of several processes: wait this long for another one, then end the run.",
)
@click.option("--tensorboard", is_flag=True, help="Also log to RUN/tensorboard.")
@click.pass_context
def main(
    context: click.Context,
    /,
    name: str | None,
    print_recipe: bool,
    data: tuple[Path, ...],
    out: Path | None,
    init: Path | None,
    resume: bool,
    force: bool,
    workers: int | None,
    save_every: float | None,
    peer_timeout: float,
    tensorboard: bool,
    **overrides: Any,
) -> None:
    """Train a landmark network or a face detector into a run folder.

    Under `accelerate launch` or `torchrun` the same command trains in several processes, also of
    several machines.
    """
    from fkd_train.config.recipe import load_recipe, recipe_to_toml

    if name == "":
        _list_recipes()
        return
    if print_recipe:
        if name is None:
            raise click.UsageError("--print needs --recipe")
        click.echo(recipe_to_toml(with_overrides(load_recipe(name), **overrides)), nl=False)
        return
    stated = {"--recipe": name or resume, "--data": data or resume, "--out": out}
    missing = [option for option, value in stated.items() if not value]
    if missing or out is None:
        raise click.UsageError(
            f"missing {', '.join(missing)}; --recipe without a value lists the shipped recipes"
        )
    if init and resume:
        raise click.UsageError("--init is for a new run; --resume continues with its own weights")
    if force and not resume:
        raise click.UsageError("--force needs --resume")

    from fkd_train.distributed.agreement import require_same, require_same_versions
    from fkd_train.distributed.peers import joined_peers
    from fkd_train.training.run import train
    from fkd_train.training.run_folder import RunOptions

    with joined_peers(out, 60 * peer_timeout) as peers:
        require_same_versions(peers)
        flags = {"--recipe": bool(name), "--init": bool(init), "--resume": resume, "--force": force}
        require_same(peers, flags, "start all with the same options")
        if name:
            recipe = peers.everywhere(lambda: with_overrides(load_recipe(name), **overrides))
        else:
            recipe = with_overrides(peers.on_main(lambda: _recorded_recipe(out)), **overrides)
        recorded = peers.on_main(lambda: RunOptions.read(out)) if resume else None
        if context.get_parameter_source("data") is not ParameterSource.COMMANDLINE:
            data = peers.everywhere(lambda: _recorded_data(recorded, data, out))
        before = recorded or RunOptions.of(data)
        result = train(
            recipe,
            data,
            out,
            init=init,
            resume=resume,
            force=force,
            workers=before.workers if workers is None else workers,
            tensorboard=tensorboard or before.tensorboard,
            save_every=before.save_every if save_every is None else 60 * save_every,
            notify=lambda line: click.echo(f"{context.info_name}: {line}", err=True),
            peers=peers,
        )
    if result.summary is None:
        if result.is_main:
            again = f"{context.info_name} {shlex.join(['--resume', '--out', str(out)])}"
            if peers.count > 1:
                again = "--resume on every machine"
            click.echo(f"stopped and saved; continue with: {again}", err=True)
        context.exit(STOPPED)
    if result.is_main:
        click.echo(result.summary)
        click.echo(f"run folder: {out}")


def _recorded_recipe(out: Path) -> Recipe:
    """The recipe of the run in a folder; raises RunError if there is none."""
    from fkd_train.training.run_folder import RunFolder

    return RunFolder(out).recipe()


def _recorded_data(
    recorded: RunOptions | None, data: tuple[Path, ...], out: Path
) -> tuple[Path, ...]:
    """The data folders of the run in a folder; `data`, from the environment, if it records none.

    Raises RunError without either, and for a folder that is no longer there.
    """
    from fkd_train.errors import RunError

    if recorded is not None:
        return tuple(recorded.data_folders())
    if not data:
        raise RunError(out, "does not record where its data is", "add --data DIR")
    return data


def _list_recipes() -> None:
    from fkd_train.config.reading import shipped_recipe_names
    from fkd_train.config.recipe import load_recipe

    for name in shipped_recipe_names():
        click.echo(f"{name:18} {load_recipe(name).summary}")


if __name__ == "__main__":
    main()
