"""Networks by their names, above all those of one's own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from own_networks import HEADER, POINTS, WriteModule
from torch import nn

from fkd_train.errors import NetworkError, RecipeError
from fkd_train.models.factories import load_factory
from fkd_train.models.landmarks import LandmarkNet, build_landmark_net
from fkd_train.models.spec import ModelSpec


def own(name: str, **changes: object) -> ModelSpec:
    spec = ModelSpec(name, 32, unit=8, offset=16, channels=3, points=5)
    return replace(spec, **changes)  # type: ignore[arg-type]


def build(name: str, **changes: object) -> LandmarkNet:
    return build_landmark_net(own(name, **changes)).eval()


def test_a_class_of_ones_own_gives_points_as_shares_of_the_crop(write_module: WriteModule) -> None:
    write_module("nets.small", POINTS)
    network = build("nets.small:Points", options={"gain": 0.0})
    crops = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8)
    torch.testing.assert_close(network(crops)[0], torch.full((4, 5, 2), 16.0))
    assert {name.partition("layers")[0] for name in network.state_dict()} == {"body.network."}


def test_its_factory_gets_what_the_recipe_states(write_module: WriteModule) -> None:
    write_module(
        "specs",
        POINTS + "seen = []\ndef make(spec):\n    seen.append(spec)\n    return Points(spec)\n",
    )
    build("specs:make", options={"widths": [4, 8], "deep": {"x": True}})
    from specs import seen  # type: ignore[import-not-found]

    (spec,) = seen
    assert (spec.points, spec.size, spec.channels) == (5, 32, 3)
    assert spec.options == {"widths": [4, 8], "deep": {"x": True}}


def test_builds_the_same_weights_from_the_same_seed_whatever_the_dry_run_draws(
    write_module: WriteModule,
) -> None:
    noisy = POINTS.replace("return (", "torch.rand(3)\n        return (")
    write_module("noisy", noisy)
    torch.manual_seed(3)
    first = build("noisy:Points")
    after = torch.rand(1)
    torch.manual_seed(3)
    second = load_factory("noisy:Points")(own("noisy:Points"))
    assert torch.equal(torch.rand(1), after)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_dry_run_changes_no_statistics_and_no_mode(write_module: WriteModule) -> None:
    write_module(
        "normed",
        HEADER
        + POINTS.replace(
            "nn.AdaptiveAvgPool2d(2),", "nn.BatchNorm2d(4), nn.Dropout(), nn.AdaptiveAvgPool2d(2),"
        ),
    )
    network = build_landmark_net(own("normed:Points"))
    assert all(part.training for part in network.modules())
    (norm,) = (part for part in network.modules() if isinstance(part, nn.BatchNorm2d))
    assert not norm.running_mean.any()  # type: ignore[union-attr]


NOT_A_NETWORK = """
limit = 3
ready = nn.Linear(3, 3)
def other(spec): return nn.Identity()
def text(spec): return "text"
def wrong(spec):
    return nn.Conv2d(spec.channels, "four", 3)
def nothing(): return nn.Identity()
class Failing(nn.Module):
    def __init__(self, spec): super().__init__()
    def forward(self, planes):
        return planes @ planes[:, :2, :5]
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet", "resnet: no such network; there are: naimishnet, naimishnet-paper, fkdnet; "),
        ("nets/small.py:f", "is not written as package.module:factory"),
        ("os:system", "names Python's own module os, which builds no networks"),
        ("importlib.util:find_spec", "names Python's own module importlib"),
        ("__main__:f", "names Python's own module __main__"),
        ("nosuch_package.net:f", "there is no module nosuch_package; install it, .*PYTHONPATH=. "),
        ("bad.nosuch:f", "there is no module bad.nosuch"),
        ("bad:nosuch", "bad has no nosuch; there are: other, text, wrong, nothing, Failing"),
        ("bad:limit", "limit is a int, not a function or class"),
        ("bad:ready", "ready is a Linear, not a function or class"),
        ("bad:text", "text returned a str, not a torch.nn.Module"),
        ("bad:wrong", r"wrong raised TypeError: .* \(.*bad\.py, line 9\)"),
        ("bad:nothing", r"gives \(N, 3, 32, 32\), but \(N, 5, 2\) is expected"),
        ("bad:Failing", r"with planes \(N, 3, 32, 32\), raised RuntimeError.*bad\.py, line 14\)"),
        ("bad:other", r"gives \(N, 3, 32, 32\), but \(N, 5, 2\) is expected; return points as "),
    ],
)
def test_says_in_one_line_what_is_wrong_with_a_network(
    write_module: WriteModule, name: str, message: str
) -> None:
    write_module("bad", HEADER + NOT_A_NETWORK)
    with pytest.raises(NetworkError, match=message) as caught:
        build(name)
    assert caught.value.subject == name
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nosuch_dependency\n", r"raised ModuleNotFoundError: .*dependency.*line 1\)"),
        (
            "x = 1\ny = x / 0\n",
            r"importing broken raised ZeroDivisionError: .*broken\.py, line 2\)",
        ),
        ("def f(:\n", r"raised SyntaxError: .*broken\.py, line 1\)"),
        ("import sys\nsys.exit(2)\n", r"raised SystemExit: 2 .*line 2\)"),
    ],
)
def test_names_the_line_at_which_a_module_cannot_be_imported(
    write_module: WriteModule, text: str, message: str
) -> None:
    write_module("broken", text)
    with pytest.raises(NetworkError, match=message) as caught:
        load_factory("broken:f")
    assert "\n" not in str(caught.value)


def test_the_current_folder_is_not_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here.py").write_text(POINTS)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NetworkError, match=re.escape("PYTHONPATH=. for the current")):
        load_factory("here:Points")


def test_a_network_that_reads_values_is_told_that_it_has_to_work_without(
    write_module: WriteModule,
) -> None:
    write_module(
        "reading",
        HEADER
        + POINTS.replace("super().__init__()", "super().__init__()\n        torch.ones(1).item()"),
    )
    build("reading:Points")
    with torch.device("meta"), pytest.raises(NetworkError, match="has to work on torch's device"):
        build("reading:Points")


def test_an_input_that_is_too_small_for_a_network_of_the_package_is_a_matter_of_the_recipe() -> (
    None
):
    with pytest.raises(RecipeError, match="size 20 is too small"):
        build_landmark_net(ModelSpec("naimishnet", 20, unit=5, offset=10))
