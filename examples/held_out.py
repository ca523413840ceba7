"""Print the paths of some photographs that a run never trained on, a line each.

Usage: python examples/held_out.py RUN COUNT

They are spread evenly over the run's test part, whose names are in RUN/test/predictions.csv.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

from googlenet.data.source import open_data


def main(run: Path, count: int) -> None:
    """Print ``count`` paths from the test part of a run."""
    arguments = json.loads((run / "args.json").read_text(encoding="utf-8"))
    test = open_data(arguments["data"], seed=arguments["settings"]["seed"]).test
    if test is None:
        sys.exit(f"{run} has no test part")
    with (run / "test" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        measured = [row["file"] for row in csv.DictReader(file)]
    for name in measured[:: max(len(measured) // count, 1)][:count]:
        print(test.path(test.names.index(name)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
