"""Which published version a file's weights belong to, and what is taken from it unproved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from googlenet.architecture.difference import facts as facts_of
from googlenet.architecture.preprocessing import Preprocessing
from googlenet.architecture.spec import GoogLeNetSpec
from googlenet.architecture.variants import TABLE_1, VARIANTS, variant
from googlenet.errors import ModelError, UsageError
from googlenet.weights.formats.contents import GraphFacts, WeightsFile
from googlenet.weights.matching import Match

# The versions that published files in a dialect are of; others are told by their shapes alone.
LINEAGES: Mapping[str, tuple[str, ...]] = {
    "torchvision": ("torchvision", "bn", "paper"),
    "caffe": ("caffe", "places365"),
    "slim": ("slim",),
    "inception5h": ("inception5h",),
    "lucent": ("inception5h",),
    "captum": ("inception5h", "places365", "caffe"),
    "captum-old": ("inception5h", "places365", "caffe"),
    "onnx": ("onnx-googlenet", "onnx-inception-v1"),
    "chainer": ("caffe",),
    "keras": ("caffe",),
    "caffe-torch": ("caffe", "places365"),
    "gluoncv": ("gluoncv",),
}


# Whose files have such a format, where no name tells.
_FORMATS = {"caffemodel": "caffe", "keras": "keras", "chainer": "chainer"}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Hold the network that a file is taken to be of.

    Attributes:
        spec: The network, whole.
        found: What the file proves, a sentence each.
        guessed: What it does not, and what it was decided by, a sentence each.
    """

    spec: GoogLeNetSpec
    found: tuple[str, ...]
    guessed: tuple[str, ...]


def decide(match: Match, shaped: GoogLeNetSpec, file: WeightsFile, lineage: str | None) -> Decision:
    """Complete what the shapes prove with what the graph says, and that with a published version.

    Args:
        match: The dialect that the file speaks.
        shaped: A spec whose widths, kernels, batch normalization, heads and classes are proved.
        file: What was read; of it, the graph's facts.
        lineage: The variant that the user says it is, or None to find it.

    Raises:
        ModelError: The user's variant cannot have these shapes.
        UsageError: There is no such variant.
    """
    facts = file.facts
    base = _find(match, shaped, file) if lineage is None else _asked(lineage, shaped, file)
    try:
        spec, told = _completed(shaped, base, facts)
    except UsageError as error:
        raise ModelError(
            f"the file's graph is of no GoogLeNet that is known: {error.what}",
            file.path,
            "Give the weights of a GoogLeNet (Inception v1).",
        ) from error
    untold = [name for name in _UNPROVED if name not in told and _matters(name, spec)]
    found = [
        f"The names are {match.dialect.name}'s: {match.dialect.title}."
        if not match.by_order
        else "The names are no known tool's.",
        _shape_sentence(spec),
        *_width_sentences(spec, base),
    ]
    if told:
        norm = facts_of(spec)["local response normalization"]
        listed = "; ".join(
            f"{_UNPROVED[name]} {norm if name == 'local_response_norm' else value}"
            for name, value in told.items()
        )
        found.append(f"The graph says: {listed}.")
    guessed = [f"It is taken for {base.variant}, {_why(match, shaped, base, file, lineage)}."]
    if _was_folded(base, shaped):
        guessed.append("Its batch normalization was folded into the convolutions.")
    if untold:
        listed = ", ".join(_UNPROVED[name] for name in untold)
        guessed.append(f"From that version, since no shape shows it: {listed}.")
    source = "of the file's mean, and for the rest " if facts.mean is not None else ""
    guessed.append(
        f"Preprocessing is {source}that of {base.variant}: {spec.preprocessing.sentence()}."
    )
    return Decision(spec=spec, found=tuple(found), guessed=tuple(guessed))


def _why(
    match: Match,
    shaped: GoogLeNetSpec,
    base: GoogLeNetSpec,
    file: WeightsFile,
    lineage: str | None,
) -> str:
    if lineage is not None:
        return "as you said"
    if not _fits(base, shaped, file.facts):
        return "the nearest published version"
    if base.variant in LINEAGES.get(match.dialect.name, ()) and not match.by_order:
        return "whose names and shapes these are"
    return "whose shapes these are"


# What neither names nor shapes prove, in words.
_UNPROVED = {
    "stem_padding": "stem padding",
    "pool_rounding": "pool rounding",
    "last_pool_kernel": "the last pool's kernel",
    "local_response_norm": "local response normalization",
    "aux_pooling": "the heads' pooling",
    "batch_norm_eps": "batch normalization's eps",
    "dropout": "dropout",
}


def _find(match: Match, shaped: GoogLeNetSpec, file: WeightsFile) -> GoogLeNetSpec:
    """Choose the version: the dialect's own, else any that fits, else the nearest kind."""
    facts = file.facts
    spoken = _FORMATS.get(file.format, "") if match.by_order else match.dialect.name
    usual = [VARIANTS[each] for each in LINEAGES.get(spoken, ())]
    for candidates in (usual, list(VARIANTS.values())):
        fitting = [each for each in candidates if _fits(each, shaped, facts)]
        same_classes = [each for each in fitting if each.num_classes == shaped.num_classes]
        if fitting:
            return (same_classes or fitting)[0]
    if _folded(shaped, facts):
        kinds = (*usual, VARIANTS["bn" if shaped.kernel_5x5 == 5 else "torchvision"])
        return next(each for each in kinds if _was_folded(each, shaped))
    if usual and _same_kind(usual[0], shaped):
        return usual[0]
    for name in ("slim", "torchvision", "bn", "caffe"):
        if _same_kind(VARIANTS[name], shaped):
            return VARIANTS[name]
    return VARIANTS["torchvision"]


def _was_folded(base: GoogLeNetSpec, shaped: GoogLeNetSpec) -> bool:
    """Tell whether the shapes are a version's, its batch normalization folded away."""
    return (
        base.batch_norm is not None
        and shaped.batch_norm is None
        and base.kernel_5x5 == shaped.kernel_5x5
    )


def _folded(shaped: GoogLeNetSpec, facts: GraphFacts) -> bool:
    """Tell whether batch normalization was folded away: biases, and nothing else normalizes."""
    return shaped.batch_norm is None and (
        shaped.kernel_5x5 == 3 or facts.has_local_response_norm is False
    )


def _asked(name: str, shaped: GoogLeNetSpec, file: WeightsFile) -> GoogLeNetSpec:
    base = variant(name)
    norm = shaped.batch_norm
    # A missing scale is a scale of one.
    scaled = shaped if norm is None else replace(shaped, batch_norm=replace(norm, gamma=True))
    kinds = (_same_kind(base, shaped), _same_kind(base, scaled), _was_folded(base, shaped))
    if not any(kinds):
        raise ModelError(
            f"weights are not of the variant {name}: they have {_kind(shaped)}, and it has "
            f"{_kind(base)}",
            file.path,
            "Leave the variant out, and it is told by the shapes.",
        )
    return base


def _same_kind(spec: GoogLeNetSpec, shaped: GoogLeNetSpec) -> bool:
    ours, theirs = spec.batch_norm, shaped.batch_norm
    return spec.kernel_5x5 == shaped.kernel_5x5 and (
        theirs is None if ours is None else theirs is not None and ours.gamma == theirs.gamma
    )


def _fits(spec: GoogLeNetSpec, shaped: GoogLeNetSpec, facts: GraphFacts) -> bool:
    return (
        _same_kind(spec, shaped)
        and spec.stem == shaped.stem
        and dict(spec.inception) == dict(shaped.inception)
        and facts.pool_rounding in (None, spec.pool_rounding)
        and facts.has_local_response_norm in (None, spec.local_response_norm is not None)
    )


def _completed(
    shaped: GoogLeNetSpec, base: GoogLeNetSpec, facts: GraphFacts
) -> tuple[GoogLeNetSpec, dict[str, Any]]:
    """Return the whole spec, and what of it the graph said."""
    told: dict[str, Any] = {
        name: getattr(facts, name)
        for name in ("stem_padding", "pool_rounding", "last_pool_kernel", "dropout")
        if getattr(facts, name) is not None
    }
    changes = dict(told)
    norm = base.local_response_norm
    if facts.has_local_response_norm is False:
        norm = told["local_response_norm"] = None
    elif facts.local_response_norm is not None:
        norm = told["local_response_norm"] = facts.local_response_norm
    aux = shaped.aux
    if aux is not None:
        known = base.aux or aux
        aux = replace(aux, pooling=facts.aux_pooling or known.pooling, dropout=known.dropout)
        if facts.aux_pooling is not None:
            told["aux_pooling"] = facts.aux_pooling
    batch_norm = shaped.batch_norm
    if batch_norm is not None and base.batch_norm is not None:
        eps = base.batch_norm.eps if facts.batch_norm_eps is None else facts.batch_norm_eps
        batch_norm = replace(base.batch_norm, eps=eps, gamma=batch_norm.gamma)
        if facts.batch_norm_eps is not None:
            told["batch_norm_eps"] = facts.batch_norm_eps
    told_policy = _policy(base.preprocessing, facts)
    spec = replace(
        base,
        stem=shaped.stem,
        inception=shaped.inception,
        kernel_5x5=shaped.kernel_5x5,
        batch_norm=batch_norm,
        local_response_norm=norm,
        aux=aux,
        num_classes=shaped.num_classes,
        preprocessing=told_policy,
        **changes,
    )
    return spec, told


def _policy(policy: Preprocessing, facts: GraphFacts) -> Preprocessing:
    """Return the version's policy with what the graph says of it."""
    if facts.input_size is not None:
        policy = policy.at_size(facts.input_size)
    if facts.channel_order is not None:
        policy = replace(policy, channel_order=facts.channel_order)
    if facts.mean is None and facts.scale is None:
        return policy
    # A graph says (x - mean) * scale of x in 0 to 255, a policy (x * scale - mean) / std.
    scale = 1.0 if facts.scale is None else facts.scale
    first, second, third = (value * scale for value in facts.mean or (0.0, 0.0, 0.0))
    return replace(policy, scale=scale, mean=(first, second, third), std=(1.0, 1.0, 1.0))


def _matters(name: str, spec: GoogLeNetSpec) -> bool:
    if name == "aux_pooling":
        return spec.aux is not None
    if name == "local_response_norm":
        return spec.local_response_norm is not None
    return name != "batch_norm_eps" or spec.batch_norm is not None


def _shape_sentence(spec: GoogLeNetSpec) -> str:
    heads = "both auxiliary heads" if spec.aux is not None else "no auxiliary heads"
    return f"The shapes are of {_kind(spec)}, {heads} and {spec.num_classes} classes."


def _kind(spec: GoogLeNetSpec) -> str:
    norm = spec.batch_norm
    normalized = (
        "biases and no batch normalization"
        if norm is None
        else f"batch normalization {'with' if norm.gamma else 'without'} a scale"
    )
    return f"{spec.kernel_5x5}x{spec.kernel_5x5} kernels in the 5x5 branches, {normalized}"


def _width_sentences(spec: GoogLeNetSpec, base: GoogLeNetSpec) -> Iterator[str]:
    other = [module for module, row in spec.inception.items() if row != TABLE_1[module]]
    if other:
        known = dict(spec.inception) == dict(base.inception)
        yield (
            f"The widths of {', '.join(other)} are not those of Table 1"
            f"{f' but those of {base.variant}' if known else ''}."
        )
