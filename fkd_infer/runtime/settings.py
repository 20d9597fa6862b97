"""Settings of an ONNX Runtime session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fkd_infer.choices import GraphLevel
from fkd_infer.runtime import ort_log
from fkd_infer.system.arguments import AtLeastOne, check_fields
from fkd_infer.system.hardware import available_threads

if TYPE_CHECKING:
    import onnxruntime

_GRAPH_LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Settings of a session. The defaults, for pipelines, are measured;
    docs/reference/benchmarks.md has a row for each. `single_calls` is for a session alone.

    - `threads` share the work of one operator.
    - `spin` makes them wait busily for the next one, which speeds up single calls and takes the
      cores from everything else.
    - `level` is how far ONNX Runtime optimizes the graph when it loads it.
    - `denormals_as_zero` rounds the tiniest numbers to 0.
    - `arena` reuses memory between calls.
    - `profile` is a prefix for the file in which ONNX Runtime saves its timings, None for no file.

    Raises SettingsError for a field of another kind.
    """

    threads: AtLeastOne = field(default_factory=available_threads)
    spin: bool = False
    level: GraphLevel = "all"
    denormals_as_zero: bool = False
    arena: bool = True
    profile: str | None = None

    @classmethod
    def single_calls(cls) -> SessionSettings:
        """Returns settings for a session that has the cores to itself: its threads spin."""
        return cls(spin=True)

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def summary(self) -> str:
        """The settings that `fkd-infer tune` chooses, as text."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{threads}{', spinning' if self.spin else ''}, level {self.level}"

    def options(self, ort: Any) -> onnxruntime.SessionOptions:
        """Returns the settings as ONNX Runtime's SessionOptions."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ort_log.severity()
        level = getattr(ort.GraphOptimizationLevel, _GRAPH_LEVELS[self.level])
        options.graph_optimization_level = level
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
