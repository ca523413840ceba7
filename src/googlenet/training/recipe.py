"""Training recipes as data, each with its source; free of torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from googlenet.errors import UsageError
from googlenet.images.augmentation import Augmentation, Flip

Optimizer = Literal["sgd", "adamw"]
Schedule = Literal["cosine", "polynomial", "step"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Describe how to train, apart from the data and the network.

    Attributes:
        name: As the command line takes it.
        source: Where the settings come from.
        optimizer: ``sgd`` with momentum, or ``adamw``.
        learning_rate: The highest rate.
        momentum: Of SGD; AdamW keeps its usual two.
        nesterov: Whether SGD looks ahead.
        weight_decay: Coupled to the gradient in SGD, decoupled in AdamW.
        decay_vectors: Whether biases and batch norm's vectors are decayed too.
        bias_rate: Factor of the learning rate for biases.
        schedule: Shape of the rate over the run, after the warm-up.
        warmup_share: Share of the run during which the rate rises from nothing.
        power: Exponent of the ``polynomial`` schedule.
        step_epochs: Epochs between two drops of the ``step`` schedule.
        step_factor: Factor of each drop.
        epochs: Passes over the data where neither epochs nor minutes are asked for.
        batch_size: Images a step.
        label_smoothing: Probability spread evenly over the classes.
        averaging_share: Share of the run that the averaged weights reach back over; 0 for none.
        clip_norm: Largest norm of the gradient; 0 for no limit.
        augmentation: How training images are varied.
    """

    name: str
    source: str
    optimizer: Optimizer
    learning_rate: float
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float
    decay_vectors: bool = False
    bias_rate: float = 1.0
    schedule: Schedule
    warmup_share: float = 0.0
    power: float = 0.5
    step_epochs: float = 8.0
    step_factor: float = 0.96
    epochs: int
    batch_size: int = 32
    label_smoothing: float = 0.0
    averaging_share: float = 0.0
    clip_norm: float = 0.0
    augmentation: Augmentation


MODERN = Recipe(
    name="modern",
    source="today's usual settings, tuned on small photograph sets on a CPU",
    optimizer="adamw",
    learning_rate=5e-4,
    weight_decay=0.05,
    schedule="cosine",
    warmup_share=0.1,
    epochs=40,
    label_smoothing=0.1,
    averaging_share=0.05,
    clip_norm=1.0,
    augmentation=Augmentation(crop="random-resized", min_area=0.5, flip="horizontal"),
)

PAPER = Recipe(
    name="paper",
    source="Szegedy et al. 2014, section 6; batch size, rate and decay, which it does not state, "
    "are Caffe's; its photometric distortions are those of torchvision's ColorJitter",
    optimizer="sgd",
    learning_rate=0.01,
    weight_decay=2e-4,
    bias_rate=2.0,
    schedule="step",
    step_epochs=8.0,
    step_factor=0.96,
    epochs=250,
    averaging_share=0.1,
    augmentation=Augmentation(
        crop="random-resized",
        min_area=0.08,
        aspect=(3 / 4, 4 / 3),
        flip="horizontal",
        interpolations=("bilinear", "box", "nearest", "bicubic"),
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
    ),
)

CAFFE = Recipe(
    name="caffe",
    source="BVLC/caffe: models/bvlc_googlenet/quick_solver.prototxt and train_val.prototxt",
    optimizer="sgd",
    learning_rate=0.01,
    weight_decay=2e-4,
    bias_rate=2.0,
    schedule="polynomial",
    power=0.5,
    epochs=60,
    augmentation=Augmentation(crop="random", flip="horizontal"),
)

SLIM = Recipe(
    name="slim",
    source="tensorflow/models: research/slim/preprocessing/inception_preprocessing.py and "
    "nets/inception_v1.py; the rate and its schedule were not published and are ours",
    optimizer="sgd",
    learning_rate=0.02,
    weight_decay=4e-5,
    schedule="cosine",
    warmup_share=0.05,
    epochs=100,
    averaging_share=0.1,
    augmentation=Augmentation(
        crop="random-resized",
        min_area=0.05,
        aspect=(0.75, 1.33),
        flip="horizontal",
        brightness=32 / 255,
        saturation=0.5,
    ),
)

RECIPES = {recipe.name: recipe for recipe in (MODERN, PAPER, CAFFE, SLIM)}


def find_recipe(name: str) -> Recipe:
    """Return the recipe of this name.

    Raises:
        UsageError: There is none.
    """
    if name not in RECIPES:
        raise UsageError(
            f"there is no recipe {name!r}", None, f"Choose one of: {', '.join(RECIPES)}."
        )
    return RECIPES[name]


def fit_to_data(
    recipe: Recipe, *, short_side: int, flip: Flip, min_area: float | None = None
) -> Recipe:
    """Return the recipe with its augmentation sized to the images.

    Small pictures lose what they show when a small part of them is cut out, and only some subjects
    look as likely in the mirror.

    Args:
        recipe: The recipe.
        short_side: Typical short side of the images in pixels.
        flip: ``none``, ``horizontal`` or ``all``.
        min_area: Smallest share of an image that still shows its class; None if not known.
    """
    augmentation = replace(recipe.augmentation, flip=flip)
    if recipe.name == "modern":  # the others crop as their source does
        if short_side < 64:
            augmentation = replace(augmentation, min_area=0.7, aspect=(0.9, 1 / 0.9))
        if min_area is not None:
            augmentation = replace(augmentation, min_area=min_area)
    return replace(recipe, augmentation=augmentation)
