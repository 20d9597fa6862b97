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
    """Settings of ONNX Runtime for a network: threads, graph optimization, memory.

    The defaults, for pipelines, are measured: each has a row in the measurements. Raises
    SettingsError for a field of another kind.

    Examples:
        >>> import fkd_infer
        >>> one_core = fkd_infer.SessionSettings(threads=1)
        >>> pipeline = fkd_infer.load(settings=one_core)
        >>> one_core.summary
        '1 thread, level all'
    """

    threads: AtLeastOne = field(default_factory=available_threads)
    """Threads that share the work of one operator; by default one for each core of the process."""
    spin: bool = False
    """Let them wait busily for the next operator, which speeds up single calls and takes the cores
    from everything else."""
    level: GraphLevel = "all"
    """How far ONNX Runtime optimizes the graph when it loads it: "none", "basic", "extended",
    "all"."""
    denormals_as_zero: bool = False
    """Round the tiniest numbers to 0."""
    arena: bool = True
    """Reuse memory between calls."""
    profile: str | None = None
    """A prefix for the file in which ONNX Runtime saves its timings; None for no file."""

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
