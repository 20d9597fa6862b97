"""Prints and saves the results of fkd-eval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.choices import MIN_PRESENCE
from fkd_infer.system.files.atomic import atomic_write, output_errors

if TYPE_CHECKING:
    from fkd_train.evaluation.comparison import Comparison, EvaluationProtocol, Result
    from fkd_train.evaluation.presence import ScoreReport
    from fkd_train.evaluation.robustness import Robustness


def print_comparison(comparison: Comparison) -> None:
    """Prints the accuracy of each network, and its robustness and score if measured."""
    for result in comparison.results:
        _print_accuracy(result, comparison)
        if result.robustness:
            click.echo(f"{'perturbed':24}{'NME':>8}{'to clean':>10}{'failures > 10':>17}")
        for row in result.robustness:
            click.echo(_robustness_line(row))
        if comparison.protocol.score:
            _print_score(result.score)


def _print_accuracy(result: Result, comparison: Comparison) -> None:
    from fkd_train.evaluation.breakdown import breakdown

    accuracy = result.evaluation.accuracy
    count = f"{accuracy.count} of {comparison.total} faces"
    header = f"{comparison.protocol.split} split, {count}"
    click.echo(f"{result.path}, {header}, errors in % of interocular distance")
    click.echo(f"NME                {accuracy.nme:8.2f}")
    click.echo(f"median             {accuracy.median:8.2f}")
    click.echo(f"failure rate > 8   {accuracy.failure_rate_8:8.2f} % of faces")
    click.echo(f"failure rate > 10  {accuracy.failure_rate_10:8.2f} % of faces")
    click.echo(f"AUC@10             {accuracy.auc_10:8.2f} %")
    for region, error in accuracy.regions.items():
        click.echo(f"  {region:17}{error:8.2f}")
    for opening, error in accuracy.openings.items():
        click.echo(f"  {opening:17}{error:8.2f} of the width of the eye or mouth")
    for part in breakdown(result.evaluation):
        counted = f"{part.failure_rate_10:6.2f} % > 10, {part.count} faces"
        click.echo(f"  {part.name:25}{part.nme:8.2f} {counted}")
    if (mse := result.evaluation.seed_mse) is not None:
        click.echo(f"seed MSE           {mse:8.4f} ((px - 100) / 50)², central 224 crop")


def _robustness_line(row: Robustness) -> str:
    return f"  {row.perturbation:22}{row.nme:8.2f}{row.ratio:9.2f}×{row.failure_rate_10:15.2f} %"


def _print_score(score: ScoreReport | None) -> None:
    if score is None:
        click.echo("score: this network has none")
        return
    rejected = f"{score.rejected:.2f} % of {score.faces} faces are below {MIN_PRESENCE}"
    click.echo(f"score: ROC AUC against backgrounds {score.auc:.4f}; {rejected}")
    for name, group in score.groups.items():
        accepted = f"{group.accepted:6.2f} % of {group.count} crops are above"
        click.echo(f"  {name:32}AUC {group.auc:.4f}, {accepted}")
    if score.error_auc is not None:
        click.echo(
            f"  errors above 10 % on {score.hard} hard crops of faces: AUC {score.error_auc:.4f}"
        )
    click.echo("  score       crops  mean score  mean quality  no face, or error > 15 %")
    for row in score.bins:
        click.echo(
            f"  {row.low:.1f} to {row.high:.1f}{row.count:8}{row.score:12.2f}{row.quality:14.2f}"
            f"{row.failed:24.1f} %"
        )


def write_comparison_json(path: Path, comparison: Comparison) -> None:
    """Writes one object for one model, a list of them for several."""
    tables = [_table(result, comparison.protocol) for result in comparison.results]
    write_json(path, tables[0] if len(tables) == 1 else tables)


def write_json(path: Path, content: object) -> None:
    """Writes plain data atomically, indented."""
    with atomic_write(path) as partial, output_errors(path):
        partial.write_text(json.dumps(content, indent=2) + "\n")


def _table(result: Result, protocol: EvaluationProtocol) -> dict[str, object]:
    settings = {"split": protocol.split, "crop": protocol.crop, "boxes": protocol.boxes}
    return {"model": str(result.path), **settings, **result.metrics()}
