"""The group of all commands."""

from __future__ import annotations

import click

from benchmarks.cli.faces import detectors, recall, swipes, tracking
from benchmarks.cli.gpu import gpu
from benchmarks.cli.networks import accuracy, latency, limit, search, settings
from benchmarks.cli.programs import facemesh, overhead, pipeline, segments, soak, throughput
from benchmarks.cli.ray import ray
from benchmarks.cli.report import compare, cost, report
from benchmarks.cli.serving import serve
from benchmarks.cli.web import web

_COMMANDS = (
    *(latency, limit, settings, accuracy, overhead, pipeline, facemesh, segments, soak, throughput),
    *(tracking, swipes, detectors, recall, ray, serve, web, gpu, report, compare, cost, search),
)


@click.group(commands={command.name or "": command for command in _COMMANDS})
def main() -> None:
    """Measure networks and fkd-infer, compare results, and search for the best network."""
