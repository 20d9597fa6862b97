"""The examples in the docstrings of public names run, in a folder with the sample files."""

from __future__ import annotations

import doctest
import inspect
import shutil
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

import fkd_infer

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FINDER = doctest.DocTestFinder(exclude_empty=True)
NO_EXAMPLE = {
    "errors",  # a module, whose base class has one
    "RecordSink",  # a protocol
    "RecordFormat",  # docs/reference/formats.md makes one
    "EndToEndPipeline",  # needs an exported file
    *("AspectRatios", "PoseAngles"),  # results of functions that have one
    "DetectorRequest",  # docs/explanation/detector.md receives one
    "SearchSizes",
    # Settings of providers that machines rarely have.
    *("CoreMlSettings", "MiGraphXSettings", "OpenVinoSettings", "QnnSettings"),
    *("TensorRtRtxSettings", "TensorRtSettings"),
}


def examples(name: str) -> Iterator[doctest.DocTest]:
    """The docstrings with examples of a public name, and of its own methods."""
    public = getattr(fkd_infer, name)
    if not inspect.ismodule(public):
        module = inspect.getmodule(public)
        found = FINDER.find(inspect.unwrap(public), name, module=module, globs={})
        yield from (each for each in found if each.examples)


@pytest.fixture(scope="module")
def _in_samples(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The working directory is a copy of the samples."""
    folder = tmp_path_factory.mktemp("doctests") / "user"
    shutil.copytree(samples, folder)
    with chdir(folder):
        yield


@pytest.mark.usefixtures("_in_samples")
@pytest.mark.parametrize("name", sorted(set(fkd_infer.__all__) - NO_EXAMPLE))
def test_the_examples_of_a_public_name_run(name: str) -> None:
    found = list(examples(name))
    assert found, "it has no example"
    for each in found:
        report: list[str] = []
        failed = doctest.DocTestRunner(optionflags=FLAGS).run(each, out=report.append).failed
        assert not failed, "".join(report)


@pytest.mark.parametrize("name", fkd_infer.__all__)
def test_a_public_name_says_what_it_is(name: str) -> None:
    public = getattr(fkd_infer, name)
    text = inspect.getdoc(public) or ""
    assert not text.startswith(f"{name}("), "dataclasses say that without a docstring"
    assert text.partition("\n\n")[0].endswith("."), text


@pytest.mark.parametrize("name", sorted(NO_EXAMPLE))
def test_names_without_an_example_have_none(name: str) -> None:
    assert not list(examples(name)), "take it out of NO_EXAMPLE"
