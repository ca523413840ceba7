"""The 365 scenes of Places365, in the order of its networks' logits.

Source: CSAILVision/places365, ``categories_places365.txt``, without the letter and slashes before
each name. Where a scene has two sides, they follow a slash: ``balcony/exterior``.
"""

from __future__ import annotations

from functools import cache

from googlenet.weights.imagenet import read_lines


@cache
def scenes() -> tuple[str, ...]:
    """Return the scene of each logit."""
    return read_lines("places365.txt")
