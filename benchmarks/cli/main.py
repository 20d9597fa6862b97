"""The group of all commands."""

from __future__ import annotations

import click

from benchmarks.cli.faces import detectors, recall, swipes, tracking
from benchmarks.cli.gpu import gpu
from benchmarks.cli.networks import accuracy, latency, limit, search, settings
from benchmarks.cli.programs import facemesh, overhead, pipeline, soak, throughput
from benchmarks.cli.ray import ray
from benchmarks.cli.report import compare, report
from benchmarks.cli.web import web

_COMMANDS = (
    *(latency, limit, settings, accuracy, overhead, pipeline, facemesh, soak, throughput),
    *(tracking, swipes, detectors, recall, web, gpu, ray, report, compare, search),
)


@click.group(commands={command.name or "": command for command in _COMMANDS})
def main() -> None:
    """Measure networks and fkd-infer, compare results, and search for the best network."""
