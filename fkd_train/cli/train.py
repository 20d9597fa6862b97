"""fkd-train: trains a network from a recipe."""

from __future__ import annotations

from pathlib import Path

import click

from fkd_infer.cli.command import CommandWithSubcommands, Subcommand
from fkd_infer.cli.options.group import FiniteRange
from fkd_train.choices import Split
from fkd_train.cli.options import data_option, split_option, with_overrides

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
    help="Name of a shipped recipe, or a TOML file. Without a value: list the shipped recipes.",
)
@data_option(required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.")
@click.option(
    "--init",
    type=click.Path(path_type=Path),
    help="Start with those weights of this .pt, .pth or .safetensors file that fit.",
)
@click.option("--resume", is_flag=True, help="Continue the run in --out.")
@click.option(
    "--force", is_flag=True, help="With --resume: continue even if the recipe or the data changed."
)
@split_option(default=None, help="Replaces the recipe's split, for all data sets.")
@click.option("--epochs", type=click.IntRange(1), help="Replaces the recipe's number of epochs.")
@click.option(
    "--size",
    type=click.IntRange(16),
    help="Replaces the recipe's input size, px (for a detector, the size of its mosaics).",
)
@click.option("--seed", type=click.IntRange(0), help="Replaces the recipe's seed.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Replaces any value of the recipe, in its notation: --set optimizer.lr=0.002.",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Processes that load batches.",
)
@click.option(
    "--save-every",
    type=FiniteRange(0),
    default=10,
    show_default=True,
    metavar="MINUTES",
    help="Also save within an epoch, at this interval.",
)
@click.option("--tensorboard", is_flag=True, help="Also log to RUN/tensorboard.")
@click.pass_context
def main(
    context: click.Context,
    name: str | None,
    data: tuple[Path, ...],
    out: Path | None,
    init: Path | None,
    resume: bool,
    force: bool,
    split: Split | None,
    epochs: int | None,
    size: int | None,
    seed: int | None,
    assignments: tuple[str, ...],
    workers: int,
    save_every: float,
    tensorboard: bool,
) -> None:
    """Train a landmark network or a face detector into a run folder.

    Under `accelerate launch` the same command trains in several processes.
    """
    from fkd_train.config.recipe import load_recipe

    if name == "":
        _list_recipes()
        return
    missing = [
        o for o, v in (("--recipe", name), ("--data", data or None), ("--out", out)) if v is None
    ]
    if name is None or not data or out is None:
        raise click.UsageError(
            f"missing {', '.join(missing)}; --recipe without a value lists the shipped recipes"
        )
    if init and resume:
        raise click.UsageError("--init is for a new run; --resume continues with its own weights")
    if force and not resume:
        raise click.UsageError("--force needs --resume")
    recipe = with_overrides(
        load_recipe(name),
        split=split,
        epochs=epochs,
        size=size,
        seed=seed,
        assignments=assignments,
    )

    from fkd_train.training.run import train

    result = train(
        recipe,
        data,
        out,
        init=init,
        resume=resume,
        force=force,
        workers=workers,
        tensorboard=tensorboard,
        save_every=60 * save_every,
        notify=lambda line: click.echo(f"{context.info_name}: {line}", err=True),
    )
    if result.summary is None:
        if result.is_main:
            click.echo(f"stopped and saved; continue with: --resume --out {out}", err=True)
        context.exit(130)
    if result.is_main:
        click.echo(result.summary)
        click.echo(f"run folder: {out}")


def _list_recipes() -> None:
    from fkd_train.config.reading import shipped_recipe_names
    from fkd_train.config.recipe import load_recipe

    for name in shipped_recipe_names():
        click.echo(f"{name:18} {load_recipe(name).summary}")


if __name__ == "__main__":
    main()
