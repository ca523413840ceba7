"""What a run will do, settled before its first step and stored with it; free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from googlenet.errors import ModelError
from googlenet.images.augmentation import Augmentation
from googlenet.training.recipe import Recipe
from googlenet.training.settings import TrainSettings

EVALUATION_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Hold the choices that settings left open, so that a resumed run makes the same ones.

    Attributes:
        recipe: With the batch size, rate and augmentation that this run uses.
        input_size: Side of the network's input in pixels.
        total_steps: Steps of the whole run.
        steps_per_epoch: Steps of one pass over the training images.
        heads: Whether the auxiliary heads are trained.
        threads: Threads of the computation.
        workers: Processes that read images.
        precision: ``bf16`` or ``fp32``.
        fingerprint: Of the data.
    """

    recipe: Recipe
    input_size: int
    total_steps: int
    steps_per_epoch: int
    heads: bool
    threads: int
    workers: int
    precision: str
    fingerprint: str

    def to_config(self) -> dict[str, Any]:
        """Return the plan as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], where: Path) -> Plan:
        """Read what ``to_config`` wrote into a run's ``args.json``.

        Raises:
            ModelError: It is garbled.
        """
        try:
            recipe = dict(config["recipe"])
            augmentation = dict(recipe["augmentation"])
            for name in ("aspect", "interpolations"):
                augmentation[name] = tuple(augmentation[name])
            recipe["augmentation"] = Augmentation(**augmentation)
            return cls(**{**config, "recipe": Recipe(**recipe)})
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"the run's plan is garbled: {error}",
                where,
                "Train again with --overwrite; the run cannot be continued.",
            ) from error


def default_input_size(short_side: int) -> int:
    """Choose the network's input for images of this typical short side, both in pixels."""
    if short_side >= 160:
        return 224
    return max(64, -(-short_side // 32) * 32)


def settle_recipe(recipe: Recipe, settings: TrainSettings, images: int) -> Recipe:
    """Return the recipe with the user's batch size and learning rate.

    SGD's rate follows the batch size in proportion, as its gradient noise does; a rate that the
    user gives is taken as it is. A batch is never larger than the training set.
    """
    batch = min(settings.batch_size or recipe.batch_size, images)
    rate = recipe.learning_rate
    if recipe.optimizer == "sgd":
        rate *= batch / recipe.batch_size
    return replace(recipe, batch_size=batch, learning_rate=settings.lr or rate)
