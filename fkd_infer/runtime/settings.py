"""How ONNX Runtime runs a network: what SessionOptions are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fkd_infer.choices import GraphLevel
from fkd_infer.errors import SettingsError
from fkd_infer.system.hardware import available_threads

if TYPE_CHECKING:
    import onnxruntime

_LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Options of a session. The defaults are measured: docs/benchmarks.md has a row for each.
    They are for pipelines; `single_calls` is for a session alone.

    `threads` share one operator's work; `spin` lets them wait busily for the next, which is quicker
    for single calls and takes the cores from everything else; `level` is how far the graph is
    rewritten at load; `denormals_as_zero` rounds the tiniest numbers to 0; `arena` keeps memory
    between calls; `profile` is how the name of the file begins that ONNX Runtime writes its times
    to, None for none. Raises SettingsError for less than one thread.
    """

    threads: int = field(default_factory=available_threads)
    spin: bool = False
    level: GraphLevel = "all"
    denormals_as_zero: bool = False
    arena: bool = True
    profile: str | None = None

    @classmethod
    def single_calls(cls) -> SessionSettings:
        """For a session that has the cores to itself while it is called: threads that spin."""
        return cls(spin=True)

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise SettingsError("threads", f"is {self.threads}, and has to be 1 or more")

    @property
    def described(self) -> str:
        """What `fkd-infer tune` changes of them, in words."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{threads}{', spinning' if self.spin else ''}, level {self.level}"

    def options(self, ort: Any) -> onnxruntime.SessionOptions:
        """ONNX Runtime's own options."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, _LEVELS[self.level])
        options.enable_cpu_mem_arena = self.arena
        if self.profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = self.profile
        entries = {
            "session.intra_op.allow_spinning": self.spin,
            "session.set_denormal_as_zero": self.denormals_as_zero,
        }
        for key, value in entries.items():
            options.add_session_config_entry(key, str(int(value)))
        return options
