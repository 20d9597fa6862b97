"""An onnxruntime of several providers, for machines that have none of their devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
Outputs = list[np.ndarray]
POINTS = np.zeros((1, 68, 2), np.float32)


@dataclass
class FakeSession:
    """A session on the first of its providers."""

    runtime: FakeRuntime
    providers: list[str]
    options: Mapping[str, str]

    def get_providers(self) -> list[str]:
        return self.providers

    def get_provider_graph_assignment_info(self) -> list[Any]:
        nodes = self.runtime.on_cpu.get(self.providers[0], ())
        return [
            SimpleNamespace(
                ep_name=CPU,
                get_nodes=lambda name=name, op=op: [SimpleNamespace(name=name, op_type=op)],
            )
            for name, op in nodes
        ]

    def run(self, names: None, feed: Mapping[str, np.ndarray], options: Any = None) -> Outputs:
        answer = self.runtime.answers.get(self.providers[0])
        return [POINTS] if answer is None else answer(feed)


@dataclass
class FakeRuntime:
    """`offered` are the providers that are compiled in, of which `started` start. `answers` are
    their outputs, `on_cpu` the names and operators of nodes that they leave to the CPU."""

    offered: Sequence[str]
    started: Sequence[str] = (CPU,)
    answers: Mapping[str, Callable[[Any], Outputs]] = field(default_factory=dict)
    on_cpu: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    devices: list[Any] = field(default_factory=list)
    load: Callable[[Sequence[str]], None] = lambda names: None
    sessions: list[FakeSession] = field(default_factory=list)
    entries: dict[str, str] = field(default_factory=dict)
    __version__: str = "1.32.0"
    __file__: str = "onnxruntime/__init__.py"
    GraphOptimizationLevel = SimpleNamespace(ORT_ENABLE_ALL=99)

    def get_available_providers(self) -> Sequence[str]:
        return self.offered

    def preload_dlls(self) -> None:
        """Prints what is missing, as ONNX Runtime does."""

    def get_ep_devices(self) -> list[Any]:
        return self.devices

    def register_execution_provider_library(self, name: str, path: str) -> None:
        """Every library loads."""

    def RunOptions(self) -> Any:  # noqa: N802
        return SimpleNamespace(add_run_config_entry=self.entries.__setitem__)

    def SessionOptions(self) -> Any:  # noqa: N802
        options = SimpleNamespace(added=[])
        options.add_session_config_entry = self.entries.__setitem__
        options.add_free_dimension_override_by_name = self.entries.__setitem__
        options.add_provider_for_devices = lambda devices, given: options.added.append(
            (devices[0].ep_name, given)
        )
        return options

    def InferenceSession(  # noqa: N802
        self, path: Path, options: Any, providers: Any, enable_fallback: int
    ) -> FakeSession:
        assert not enable_fallback
        given = [*options.added, *(providers or [(CPU, {})])]
        self.load([name for name, _ in given])
        active = [name for name, _ in given if name in self.started]
        session = FakeSession(self, active, dict(given).get(active[0], {}))
        self.sessions.append(session)
        return session
