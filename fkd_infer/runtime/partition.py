"""Which nodes of a graph a provider left to the CPU."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from fkd_infer.models.size_nodes import size_nodes
from fkd_infer.runtime.providers.cpu import CPU

RECORD = "session.record_ep_graph_assignment_info"
"""Makes ONNX Runtime remember where each node runs."""
_MAX_NAMED = 4


def nodes_on_cpu(session: Any, path: Path) -> Counter[str]:
    """Returns how many nodes of each operator a session runs on the CPU, for those that see the
    image; nodes that compute from its size alone belong there."""
    on_cpu = [
        (node.name, node.op_type)
        for part in session.get_provider_graph_assignment_info()
        if part.ep_name == CPU.onnx_name
        for node in part.get_nodes()
    ]
    if not on_cpu:
        return Counter()
    of_sizes = size_nodes(path)
    return Counter(operator for name, operator in on_cpu if (name, operator) not in of_sizes)


def counted(nodes: Counter[str]) -> str:
    """Returns the nodes as text: "3 nodes (2 TopK, 1 Loop)"."""
    named = [f"{count} {operator}" for operator, count in nodes.most_common(_MAX_NAMED)]
    if len(nodes) > _MAX_NAMED:
        named.append("…")
    total = nodes.total()
    return f"{total} node{'' if total == 1 else 's'} ({', '.join(named)})"
