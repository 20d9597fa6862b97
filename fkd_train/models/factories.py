"""Networks by their names: those of this package, timm's backbones, and anybody's own.

To add one to this package: write its factory in a file of this folder, from a ModelSpec to a module
that maps planes (N, C, S, S) to normalised points, or to feature maps, and add a row to `NETWORKS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from fkd_train.errors import NetworkError
from fkd_train.models.fkdnet import fkdnet_trunk
from fkd_train.models.naimishnet import naimishnet, naimishnet_paper
from fkd_train.models.outside_code import import_factory, name_problem
from fkd_train.models.spec import ModelSpec
from fkd_train.models.timm_trunk import PREFIX, timm_trunk

Factory = Callable[[ModelSpec], nn.Module]


@dataclass(frozen=True)
class NetworkType:
    """What a recipe states of a network: `trunk` for a table of its convolutions, `head` for a head
    on the maps that its factory's module returns, `options` for a table that the factory reads.

    `gives_crop_units` for a module without a head whose points are shares of the crop.
    """

    trunk: bool = False
    head: Literal["needed", "optional", "none"] = "none"
    options: bool = False
    gives_crop_units: bool = False


_TIMM = NetworkType(head="needed", options=True)
_OWN = NetworkType(head="optional", options=True, gives_crop_units=True)
_PLAIN = NetworkType()

NETWORKS: dict[str, tuple[NetworkType, Factory]] = {
    "naimishnet": (_PLAIN, naimishnet),
    "naimishnet-paper": (_PLAIN, naimishnet_paper),
    "fkdnet": (NetworkType(trunk=True, head="needed"), fkdnet_trunk),
}
"""The package's networks by their names in recipes."""


def network_type(name: str) -> NetworkType:
    """The type of a network; raises NetworkError for a name that cannot be one's.

    Imports nothing, so the module or backbone that it names may not exist.
    """
    if name in NETWORKS:
        return NETWORKS[name][0]
    if name.startswith(PREFIX) and name != PREFIX:
        return _TIMM
    if ":" not in name:
        fix = f"there are: {', '.join(NETWORKS)}; {PREFIX}NAME; or your own, package.module:factory"
        raise NetworkError(name, "no such network", fix)
    if problem := name_problem(name):
        raise NetworkError(name, problem)
    return _OWN


def load_factory(name: str) -> Factory:
    """The factory of a network; a network of one's own is imported.

    Raises NetworkError, in this call or when the factory is called: for an unknown name, for a
    module that is not there or cannot be imported, and for a factory that fails.
    """
    kind = network_type(name)
    if name in NETWORKS:
        return NETWORKS[name][1]
    return timm_trunk if kind is _TIMM else import_factory(name)
