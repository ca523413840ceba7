"""The verbs and where each lives; nothing here imports them."""

from __future__ import annotations

# In the order of the help.
VERBS = ("train", "evaluate", "predict", "inspect", "convert", "weights")

HOMES = {verb: f"googlenet.cli.{verb}:app" for verb in VERBS}
