"""What --provider and provider= accept, and options of providers as texts."""

from __future__ import annotations

from typing import Any

import pytest

from fkd_infer.errors import SettingsError
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.providers.base import NoSettings, ProviderSettings
from fkd_infer.runtime.providers.cuda_settings import CudaSettings
from fkd_infer.runtime.providers.openvino import OpenVinoSettings
from fkd_infer.runtime.providers.options import format_settings, parse_settings
from fkd_infer.runtime.providers.registry import PROVIDERS


@pytest.mark.parametrize(
    "asked", ["auto", "cpu", "cuda", "cuda:1", "openvino:GPU", "openvino:GPU.1", "qnn:NPU"]
)
def test_a_name_may_have_a_device(asked: str) -> None:
    choice = ProviderChoice.of(asked)
    assert str(choice) == asked
    assert ProviderChoice.of(choice) is choice


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("tpu", "provider is 'tpu'; choose one of: auto, coreml, cpu"),
        (
            "cuda:GPU",
            "device is 'GPU', which provider 'cuda' does not have; name a GPU by its number from 0",
        ),
        ("cuda:-1", "device is '-1'"),
        ("cpu:1", "device is '1', which provider 'cpu' does not have; leave it out"),
        ("openvino:TPU", "device is 'TPU'.*name CPU, GPU or NPU"),
        ("auto:1", "device is '1', but the provider is 'auto'; name the provider too"),
    ],
)
def test_an_unknown_provider_or_device_raises(asked: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ProviderChoice.of(asked)


def test_options_are_parsed_by_name_and_type() -> None:
    texts = ["buckets=1,16", "memory=1000", "search=exhaustive", "graphs=on", "tf32=off"]
    settings = parse_settings(CudaSettings, "cuda", texts)
    expected = CudaSettings((1, 16), False, 1000, "exhaustive", graphs=True, tf32=False)
    assert settings == expected
    assert parse_settings(CudaSettings, "cuda", format_settings(settings)) == settings
    assert format_settings(CudaSettings()) == ()
    assert parse_settings(CudaSettings, "cuda", ["memory=none", "buckets="]).buckets == ()


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (CudaSettings, "speed=9", "'speed' is no option of provider 'x'; choose one of: buckets,"),
        (CudaSettings, "tf32", "'tf32' is not KEY=VALUE"),
        (CudaSettings, "tf32=maybe", "tf32 is 'maybe', and has to be on or off"),
        (CudaSettings, "memory=lots", "memory is 'lots', and has to be a whole number"),
        (CudaSettings, "memory=0", "memory is 0"),
        (CudaSettings, "search=quick", "search is 'quick'; choose one of: heuristic"),
        (CudaSettings, "buckets=4,2", "ascend"),
        (CudaSettings, "buckets=1,,2", "buckets is '', and has to be a whole number"),
        (OpenVinoSettings, "streams=0", "streams is 0"),
        (OpenVinoSettings, "streams=٣", "streams is '٣', and has to be a whole number"),
        (OpenVinoSettings, "precision=f64", "precision is 'f64'; choose one of: f32, f16, bf16"),
        (NoSettings, "a=b", "'a' is no option of provider 'x'; leave it out"),
    ],
)
def test_a_wrong_option_raises(kind: type[ProviderSettings], text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_settings(kind, "x", [text])


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_alternatives_of_each_provider_are_settings_of_it(provider: object) -> None:
    assert hasattr(provider, "settings_type")
    own = provider.settings_type()
    for alternative in provider.alternatives(own).values():  # type: ignore[attr-defined]
        assert isinstance(alternative, provider.settings_type)
        texts = format_settings(alternative)
        assert parse_settings(provider.settings_type, "x", texts) == alternative


def test_names_of_any_case_are_understood() -> None:
    assert ProviderChoice.of("OpenVINO:gpu.1") == ProviderChoice("openvino", "GPU.1")


def test_an_option_that_is_set_twice_raises() -> None:
    with pytest.raises(SettingsError, match="tf32 is set twice"):
        parse_settings(CudaSettings, "cuda", ["tf32=on", "tf32=off"])


@pytest.mark.parametrize("buckets", [(1.5,), (True,), [1, 2], 1])
def test_batch_sizes_are_whole_numbers(buckets: Any) -> None:
    with pytest.raises(SettingsError, match=r"buckets is .* a tuple, each a whole number"):
        CudaSettings(buckets=buckets)


def test_settings_of_another_provider_raise() -> None:
    with pytest.raises(SettingsError, match="are CudaSettings; 'openvino' takes OpenVinoSettings"):
        ProviderChoice("openvino", "CPU", CudaSettings())
    assert ProviderChoice("auto", settings=CudaSettings()).settings == CudaSettings()
