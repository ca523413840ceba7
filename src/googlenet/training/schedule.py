"""The learning rate as a pure function of the step; free of torch."""

from __future__ import annotations

import math

from googlenet.training.recipe import Recipe


def learning_rate(recipe: Recipe, step: int, total_steps: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step.

    Args:
        recipe: Gives the shape and the highest rate.
        step: Counted from 0.
        total_steps: Steps of the whole run.
        steps_per_epoch: Steps of one pass over the data.
    """
    warmup = recipe.warmup_share * total_steps
    if step < warmup:
        return recipe.learning_rate * (step + 1) / (warmup + 1)
    share = (step - warmup) / max(total_steps - warmup, 1)
    if recipe.schedule == "cosine":
        return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
    if recipe.schedule == "polynomial":
        return recipe.learning_rate * float((1 - share) ** recipe.power)
    drops = int(step / steps_per_epoch / recipe.step_epochs)
    return recipe.learning_rate * float(recipe.step_factor**drops)
