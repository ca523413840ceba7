"""What a GoogLeNet is, as data: a field for everything that published versions disagree on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, TypeVar, get_args

from googlenet.architecture.preprocessing import Preprocessing
from googlenet.errors import ModelError, UsageError

StemPadding = Literal["symmetric", "same"]
PoolRounding = Literal["ceil", "same", "floor", "end"]
AuxPooling = Literal["average", "adaptive"]
WeightDistribution = Literal["uniform_fan_in", "normal", "truncated_normal"]


@dataclass(frozen=True)
class InceptionWidths:
    """Hold one inception row of Table 1: six numbers of output channels, in the paper's order."""

    n1x1: int
    n3x3_reduce: int
    n3x3: int
    n5x5_reduce: int
    n5x5: int
    pool_proj: int

    @property
    def out_channels(self) -> int:
        """Channels after the four branches are concatenated."""
        return self.n1x1 + self.n3x3 + self.n5x5 + self.pool_proj


@dataclass(frozen=True, kw_only=True)
class BatchNorm:
    """Describe batch normalization after every convolution, which then has no bias.

    Attributes:
        eps: Added to the variance.
        momentum: Weight of a new batch in the running statistics (PyTorch's convention).
        gamma: Whether there is a learned scale; TF-slim's Inception has a learned shift only.
    """

    eps: float = 1e-3
    momentum: float = 0.1
    gamma: bool = True


@dataclass(frozen=True, kw_only=True)
class LocalResponseNorm:
    """Describe the two local response normalizations: after the first pool and the last stem unit.

    Attributes:
        size: Number of neighbouring channels in the window, the centre included.
        alpha: Factor of the sum of squares.
        beta: Exponent.
        k: Added constant; TensorFlow calls it bias.
        divide_alpha: Whether alpha is divided by ``size``: Caffe, PyTorch and ONNX do, TensorFlow
            and Chainer do not.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0
    divide_alpha: bool = True


@dataclass(frozen=True, kw_only=True)
class AuxHeads:
    """Describe the two auxiliary classifiers, on 4a and on 4d.

    Attributes:
        pooling: ``average`` is the paper's 5x5 window with stride 3, which gives 4x4 near an input
            of 224 only; ``adaptive`` gives 4x4 for any input, from other windows even at 224.
        conv_channels: Channels of the 1x1 convolution unit.
        hidden: Width of the hidden linear layer.
        dropout: Probability of dropping a hidden value while training.
    """

    pooling: AuxPooling = "average"
    conv_channels: int = 128
    hidden: int = 1024
    dropout: float = 0.7


@dataclass(frozen=True, kw_only=True)
class Initialization:
    """Describe how fresh weights are drawn.

    Attributes:
        weights: ``uniform_fan_in`` draws from +-sqrt(3 / fan_in), as Caffe's "xavier" does;
            ``normal`` and ``truncated_normal`` (cut at two standard deviations) use ``std``.
        std: Standard deviation of the normal draws; ``uniform_fan_in`` ignores it.
        classifier_he: Whether the classifiers' weights are drawn with std sqrt(2 / fan_in) instead.
        conv_bias: Constant for convolution biases, where there are any.
        hidden_bias: Constant for the auxiliary heads' hidden layers; None keeps PyTorch's default.
        classifier_bias: Constant for the three classifiers; None keeps PyTorch's default.
    """

    weights: WeightDistribution = "uniform_fan_in"
    std: float = 0.01
    classifier_he: bool = False
    conv_bias: float = 0.2
    hidden_bias: float | None = 0.2
    classifier_bias: float | None = 0.0


@dataclass(frozen=True, kw_only=True)
class GoogLeNetSpec:
    """Describe one GoogLeNet completely; input widths follow from the output widths.

    Attributes:
        variant: Name of the version, as the command line takes it.
        stem: Output channels of the 7x7, the 1x1 and the 3x3 convolution before the modules.
        stem_padding: ``symmetric`` pads the 7x7 convolution by 3 on each side; ``same`` is
            TensorFlow's rule, 2 before and 3 after at even sizes.
        inception: The nine modules, 3a to 5b.
        kernel_5x5: Kernel of the "5x5" branch; 3 in everything that descends from TF-slim.
        last_pool_kernel: Kernel of the stride-2 pool between 4e and 5a: 3 or 2.
        pool_rounding: How the four stride-2 pools round: ``ceil``; ``same``, TensorFlow's rule;
            ``floor``; or ``end``, which pads all but one of a window's values after each side, as
            Caffe2's exports do for want of ``ceil`` (3x3 windows are equal to it at even sizes).
        batch_norm: Batch normalization, or None for convolutions with a bias.
        local_response_norm: The stem's two normalizations, or None.
        aux: The auxiliary heads, or None.
        dropout: Probability of dropping a value before the main classifier while training.
        num_classes: Number of logits.
        initialization: How fresh weights are drawn.
        preprocessing: The policy that the version's own documentation asks for.
        source: Where the facts come from.
        differences: What this version does that the paper does not, a sentence each.
    """

    variant: str
    stem: tuple[int, int, int] = (64, 64, 192)
    stem_padding: StemPadding = "symmetric"
    inception: Mapping[str, InceptionWidths] = field(default_factory=dict)
    kernel_5x5: int = 5
    last_pool_kernel: int = 3
    pool_rounding: PoolRounding = "ceil"
    batch_norm: BatchNorm | None = None
    local_response_norm: LocalResponseNorm | None = None
    aux: AuxHeads | None = field(default_factory=AuxHeads)
    dropout: float = 0.4
    num_classes: int = 1000
    initialization: Initialization = field(default_factory=Initialization)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    source: str = ""
    differences: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if tuple(self.inception) != MODULES:
            raise UsageError(
                f"a GoogLeNet has the modules {', '.join(MODULES)}, not "
                f"{', '.join(self.inception) or 'none'}",
                self.variant,
                "Give one row of six widths for each module, in this order.",
            )
        if self.num_classes < 1:
            raise UsageError(
                f"a classifier needs at least one class, not {self.num_classes}",
                self.variant,
                "Give a positive num_classes.",
            )
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise _unknown(self.variant, name, getattr(self, name), known)
        if self.initialization.weights not in get_args(WeightDistribution):
            raise _unknown(
                self.variant,
                "initialization.weights",
                self.initialization.weights,
                get_args(WeightDistribution),
            )
        if self.aux is not None and self.aux.pooling not in get_args(AuxPooling):
            raise _unknown(self.variant, "aux.pooling", self.aux.pooling, get_args(AuxPooling))
        norm = self.local_response_norm
        if norm is not None and not (
            norm.size % 2 == 1
            and 0 < norm.size <= _LARGEST_WINDOW
            and all(map(math.isfinite, (norm.alpha, norm.beta, norm.k)))
            and norm.k >= 0
        ):
            raise UsageError(
                f"local response normalization cannot be {norm}",
                self.variant,
                "Give an odd size and finite constants.",
            )
        if self.batch_norm is not None and not 0 < self.batch_norm.eps < 1:
            raise UsageError(
                f"batch normalization's eps cannot be {self.batch_norm.eps}",
                self.variant,
                "Give a small positive number, such as 0.001.",
            )
        rates = [self.dropout] + ([self.aux.dropout] if self.aux else [])
        if not all(0 <= rate < 1 for rate in rates):
            raise UsageError(
                f"a dropout probability lies in [0, 1), not {rates}",
                self.variant,
                "Give the share of values to drop.",
            )

    def __hash__(self) -> int:
        return hash((self.variant, tuple(self.inception.items()), self.num_classes, self.source))

    def with_options(
        self,
        *,
        num_classes: int | None = None,
        aux_logits: bool | None = None,
        dropout: float | None = None,
        dropout_aux: float | None = None,
    ) -> GoogLeNetSpec:
        """Return this spec with what a constructor may change; None keeps the variant's own.

        ``aux_logits`` can leave heads out; a variant that defines none has none.
        """
        aux = None if aux_logits is False else self.aux
        if aux is not None and dropout_aux is not None:
            aux = replace(aux, dropout=dropout_aux)
        return replace(
            self,
            num_classes=self.num_classes if num_classes is None else num_classes,
            aux=aux,
            dropout=self.dropout if dropout is None else dropout,
        )

    def to_config(self) -> dict[str, Any]:
        """Return the spec as plain JSON values, without the policy, which has a file of its own."""
        config = asdict(replace(self, inception=dict(self.inception)))
        del config["preprocessing"], config["source"], config["differences"]
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any], where: str | None = None) -> GoogLeNetSpec:
        """Read what ``to_config`` wrote.

        Raises:
            ModelError: A field is missing, unknown, or holds what no GoogLeNet has.
        """
        try:
            values = dict(config)
            unknown = set(values) - {each.name for each in fields(cls)}
            if unknown:
                raise ValueError(f"unknown field {', '.join(sorted(unknown))}")
            spec = cls(
                **{
                    **values,
                    "stem": tuple(values["stem"]),
                    "inception": {
                        name: InceptionWidths(**row) for name, row in values["inception"].items()
                    },
                    "batch_norm": _optional(BatchNorm, values["batch_norm"]),
                    "local_response_norm": _optional(
                        LocalResponseNorm, values["local_response_norm"]
                    ),
                    "aux": _optional(AuxHeads, values["aux"]),
                    "initialization": Initialization(**values["initialization"]),
                }
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"the network's description is not one of a GoogLeNet: {error}",
                where,
                "Take the config.json that was saved with these weights.",
            ) from error
        return spec


T = TypeVar("T")

MODULES = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")

# The module whose output each auxiliary head reads.
AUX_PLACES = {"aux1": "4a", "aux2": "4d"}

# A stride-2 pool follows these modules.
POOLED_MODULES = ("3b", "4e")


# Channels in the window of a normalization.
_LARGEST_WINDOW = 255

# Values beyond these would build some other network, or none.
_CHOICES: dict[str, tuple[object, ...]] = {
    "stem_padding": get_args(StemPadding),
    "pool_rounding": get_args(PoolRounding),
    "kernel_5x5": (1, 3, 5, 7),
    "last_pool_kernel": (2, 3),
}


def _unknown(variant: str, name: str, value: object, known: tuple[object, ...]) -> UsageError:
    return UsageError(
        f"{name} cannot be {value!r}", variant, f"Choose one of: {', '.join(map(str, known))}."
    )


def _optional(kind: type[T], values: Mapping[str, Any] | None) -> T | None:
    return None if values is None else kind(**values)
