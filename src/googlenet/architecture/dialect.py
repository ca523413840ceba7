"""A tool's names for the layers, parameters and activations of a GoogLeNet, spelt from patterns.

Our own names are torchvision's module paths: ``inception4a.branch2.0`` is the 1x1 convolution
before the 3x3 of module 4a.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from googlenet.architecture.spec import AUX_PLACES, MODULES

STEM = ("conv1", "conv2", "conv3")
BRANCHES = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
# The last convolution of each branch; their channels are concatenated.
BRANCH_ENDS = ("branch1", "branch2.1", "branch3.1", "branch4.1")
MODULE_UNITS = tuple(f"inception{module}.{branch}" for module in MODULES for branch in BRANCHES)
HEAD_UNITS = tuple(f"{head}.conv" for head in AUX_PLACES)

# In the order of computation, the heads last but for the classifier.
UNITS = (*STEM, *MODULE_UNITS, *HEAD_UNITS)
HEADS = tuple(AUX_PLACES)
LINEARS = (*(f"{head}.{name}" for head in AUX_PLACES for name in ("fc1", "fc2")), "fc")

# The layers that give logits, the main one last.
CLASSIFIERS = (*(f"{head}.fc2" for head in HEADS), "fc")

# Blobs of a parameter that a dialect may have; ours are ``<unit>.<leaf>`` and ``<linear>.<leaf>``.
UNIT_LEAVES = (
    *("conv.weight", "conv.bias"),
    *("bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"),
)
LINEAR_LEAVES = ("weight", "bias")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """Hold one tool's names.

    Attributes:
        name: As the command line takes it.
        title: What speaks it, for people.
        layers: Our unit or linear layer to the tool's layer with the weights.
        activations: Our endpoint to the tool's name of the same activation.
        unit: Leaf of a unit's parameter to a pattern with ``{}`` for the layer.
        linear: Leaf of a linear layer's parameter to such a pattern.
        flatten: Order in which the heads' 4x4 maps are flattened before ``fc1``.
        convolves: Whether the tool, where it keeps channels first, turns kernels by 180 degrees
            before it slides them, as Theano does; its linear weights are (in, out) in any case.
        source: Where the names are from.
    """

    name: str
    title: str
    layers: Mapping[str, str]
    activations: Mapping[str, str]
    unit: Mapping[str, str]
    linear: Mapping[str, str]
    flatten: Literal["chw", "hwc"] = "chw"
    convolves: bool = False
    source: str = ""

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """Each of the tool's parameter names, with ours."""
        named: dict[str, str] = {}
        for ours, theirs in self.layers.items():
            for leaf, pattern in self.patterns(ours).items():
                named[pattern.format(theirs)] = f"{ours}.{leaf}"
        return named

    def patterns(self, layer: str) -> Mapping[str, str]:
        """Return the patterns of a layer's parameters, by leaf: a unit's or a linear layer's."""
        return self.unit if layer in UNITS else self.linear

    def parameter(self, layer: str, leaf: str) -> str:
        """Return the tool's name of a parameter, or nothing where it has none such."""
        patterns = self.patterns(layer)
        return patterns[leaf].format(self.layers[layer]) if leaf in patterns else ""

    @cached_property
    def endpoints(self) -> Mapping[str, str]:
        """Each of the tool's names of an activation, with ours."""
        return {theirs: ours for ours, theirs in self.activations.items()}


def layer_names(
    stem: Iterable[str],
    branches: Iterable[str],
    heads: Iterable[str],
    classifier: str,
    *,
    first_head: int = 1,
    modules: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Spell out the layers from patterns: ``{b}`` is the module, ``{i}`` the head's number."""
    branches, heads = tuple(branches), tuple(heads)
    named = dict(zip(STEM, stem, strict=True))
    for module in MODULES:
        written = (modules or {}).get(module, module)
        for branch, pattern in zip(BRANCHES, branches, strict=True):
            named[f"inception{module}.{branch}"] = pattern.format(b=written)
    for number, head in enumerate(AUX_PLACES if heads else (), start=first_head):
        for part, pattern in zip(("conv", "fc1", "fc2"), heads, strict=True):
            named[f"{head}.{part}"] = pattern.format(i=number)
    return {**named, "fc": classifier}


def activation_names(
    layers: Mapping[str, str],
    *,
    stem: Iterable[str] = (),
    module: str | None = None,
    pool: str | None = None,
    average: str | None = None,
    logits: str | None = None,
    head_pool: str | None = None,
    first_head: int = 1,
    modules: Mapping[str, str] | None = None,
    units: str = "{}",
    linears: str = "{}",
) -> dict[str, str]:
    """Spell out the activations: the rectified units by pattern ``units``, and what is between.

    ``stem`` names maxpool1, norm1, norm2, maxpool2, maxpool3 and maxpool4; nothing for none.
    """
    named = {ours: units.format(theirs) for ours, theirs in layers.items() if ours in UNITS}
    named |= {
        ours: linears.format(theirs)
        for ours, theirs in layers.items()
        if ours in LINEARS and ours != "fc"
    }
    places = ("maxpool1", "norm1", "norm2", "maxpool2", "maxpool3", "maxpool4")
    named |= {ours: theirs for ours, theirs in zip(places, stem, strict=False) if theirs}
    for each in MODULES:
        written = (modules or {}).get(each, each)
        if module is not None:
            named[f"inception{each}"] = module.format(b=written)
        if pool is not None:
            named[f"inception{each}.branch4.0"] = pool.format(b=written)
    for number, head in enumerate(AUX_PLACES if head_pool else (), start=first_head):
        named[f"{head}.pool"] = (head_pool or "").format(i=number)
    if average is not None:
        named["avgpool"] = average
    named["logits"] = linears.format(layers["fc"]) if logits is None else logits
    for head in AUX_PLACES:
        if f"{head}.fc2" in named:  # a head's logits are its output, and what it shows is rectified
            named[head] = named.pop(f"{head}.fc2")
            named[f"{head}.relu"] = named.pop(f"{head}.fc1")
    return named
