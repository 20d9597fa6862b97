"""fkd-train: trains a network from a recipe."""

from __future__ import annotations

from pathlib import Path

import click

from fkd_infer.cli.command import FkdCommand
from fkd_train.choices import Split
from fkd_train.cli.options import data_option, split_option, with_overrides


@click.command(cls=FkdCommand)
@click.option(
    "--recipe",
    "name",
    is_flag=False,
    flag_value="",
    help="A shipped recipe's name, or a TOML file; alone, it prints the shipped ones.",
)
@data_option(required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@click.option(
    "--force", is_flag=True, help="With --resume: also with another recipe or other data."
)
@split_option(default=None, help="Instead of the recipe's split.")
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option(
    "--size",
    type=click.IntRange(16),
    help="Input size, px (a detector's: of its mosaics), instead of the recipe's.",
)
@click.option("--seed", type=click.IntRange(0), help="Instead of the recipe's.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any value of the recipe, written as in it: --set optimizer.lr=0.002.",
)
@click.option(
    "--workers", type=click.IntRange(0), default=1, show_default=True, help="Loader processes."
)
@click.option(
    "--save-every",
    type=click.FloatRange(0),
    default=10,
    show_default=True,
    metavar="MINUTES",
    help="Also save within an epoch, every so many minutes.",
)
@click.option("--tensorboard", is_flag=True, help="Also log to RUN/tensorboard.")
@click.pass_context
def main(
    context: click.Context,
    name: str | None,
    data: Path | None,
    out: Path | None,
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
    """Train a keypoint network, or a face detector, into a run folder.

    Under `accelerate launch` the same command trains in several processes.
    """
    from fkd_train.config.reading import shipped_recipe_names
    from fkd_train.config.recipe import load_recipe

    if name == "":
        for known in shipped_recipe_names():
            click.echo(f"{known:18} {load_recipe(known).summary}")
        return
    missing = [o for o, v in (("--recipe", name), ("--data", data), ("--out", out)) if v is None]
    if name is None or data is None or out is None:
        raise click.UsageError(
            f"missing {', '.join(missing)}; --recipe alone names the shipped ones"
        )
    if force and not resume:
        raise click.UsageError("--force goes with --resume")
    recipe = with_overrides(
        load_recipe(name),
        split=split,
        epochs=epochs,
        size=size,
        seed=seed,
        assignments=assignments,
    )

    from fkd_train.training.run import train

    done = train(
        recipe,
        data,
        out,
        resume=resume,
        force=force,
        workers=workers,
        tensorboard=tensorboard,
        save_every=60 * save_every,
        notify=lambda line: click.echo(f"{context.info_name}: {line}", err=True),
    )
    if done.summary is None:
        if done.is_main:
            click.echo(f"stopped and saved; go on with: --resume --out {out}", err=True)
        context.exit(130)
    if done.is_main:
        click.echo(done.summary)
        click.echo(f"run folder: {out}")


if __name__ == "__main__":
    main()
