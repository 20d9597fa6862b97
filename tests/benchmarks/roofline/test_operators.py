"""Traces of ONNX Runtime's profiler."""

from __future__ import annotations

from benchmarks.roofline.operators import BETWEEN, WARM_UP, Operator, sum_by_operator


def test_sums_a_trace_by_operator_without_its_warm_up() -> None:
    def events(milliseconds: float) -> list[dict[str, object]]:
        def node(name: str, kind: str, share: float) -> dict[str, object]:
            args = {"op_name": kind}
            dur = 1000 * share * milliseconds
            return {"cat": "Node", "name": f"{name}_kernel_time", "dur": dur, "args": args}

        run = {"cat": "Session", "name": "model_run", "dur": 1000 * milliseconds}
        return [node("a", "Conv", 0.5), node("b", "Conv", 0.25), node("c", "Add", 0.125), run]

    trace = [event for _ in range(WARM_UP) for event in events(100.0)]
    trace += [event for milliseconds in (1.0, 3.0) for event in events(milliseconds)]
    assert sum_by_operator(trace) == [
        Operator("Conv", 1.5, 75.0),
        Operator("Add", 0.25, 12.5),
        Operator(BETWEEN, 0.25, 12.5),
    ]
