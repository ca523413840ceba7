"""Write the pages that follow from the package's own data: ``make docs``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from googlenet.architecture import cost
from googlenet.architecture.difference import differences
from googlenet.architecture.spec import GoogLeNetSpec
from googlenet.architecture.variants import PAPER, VARIANTS
from googlenet.cli.console import markdown_table
from googlenet.cli.names import names_markdown

HERE = Path(__file__).parent

_DIFFERENCES = """\
# The published versions, and what each differs in

The paper ([arXiv 1409.4842](https://arxiv.org/abs/1409.4842)) leaves its local response
normalization's constants, its initialization and its padding open, and every version since has
decided for itself. Each is data in
[variants.py](../src/googlenet/architecture/variants.py); this page is written from there by
`make docs`. `googlenet inspect --diff A B` compares any two; a model directory or a weights file of
another tool will do as well.
"""

_NAMES = """\
# What each tool calls the layers

Any name of any tool is accepted wherever this package asks for a layer, an activation or a
parameter; `DIALECT:NAME` settles a name that means different things. `googlenet inspect --names`
prints an excerpt. This page is written from
[dialect_table.py](../src/googlenet/architecture/dialect_table.py) by `make docs`. Where the table
says "(before ReLU)" that tool rectifies later, so that no activation of it is ours after the
rectifier.
"""


_FIDELITY = """\
# How near to each tool

Each pair ran the same weights on the same images; as many endpoints as the third column says were
compared, and the figure is the largest difference of a value as a share of the endpoint's largest.
`paper`, `bn`, `places365` and `gluoncv` have no row: they are made of the same parts, and no tool
of their own runs any more, or ever did. Weights, biases and running statistics are random and large
enough that no activation vanishes, which the tests check too. Where both sides could compute in
float64 they did. The other tool ran in the test itself, or
(TensorFlow, Chainer) in an environment of its own, from which the tests keep the tool's own weights
file and a sample of each endpoint (`make oracles` makes them again).

`make fidelity` runs the tests and writes this page.
"""


def differences_page() -> str:
    """Say each version's story and every fact that it does not share with the paper's."""
    parts = [_DIFFERENCES.rstrip(), _overview()]
    for spec in VARIANTS.values():
        parts.append(f"## `{spec.variant}`")
        if spec.num_classes != 1000:
            parts.append(f"{spec.num_classes} classes.")
        parts.append("\n".join(f"- {sentence}" for sentence in spec.differences))
        parts.append(f"Source: {spec.source}.")
        if spec is not PAPER:
            rows = [("fact", "paper", spec.variant)]
            rows += [(each.fact, each.first, each.second) for each in differences(PAPER, spec)]
            parts.append(markdown_table(rows))
    return "\n\n".join(parts) + "\n"


def names_page() -> str:
    """Write every name of every dialect."""
    return f"{_NAMES}\n{names_markdown()}\n"


def fidelity_page() -> str:
    """Write what the fidelity tests found when ``make fidelity`` last ran them."""
    lines = (HERE / "fidelity.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [("pair", "precision", "endpoints", "largest difference", "at", "allowed")]
    for line in sorted(set(lines)):
        row = json.loads(line)
        rows.append(
            (
                row["pair"].replace("<->", "↔"),
                row["precision"],
                str(row["endpoints"]),
                f"{row['difference']:.1e}",
                f"`{row['worst']}`",
                f"{row['limit']:.0e}",
            )
        )
    return f"{_FIDELITY}\n{markdown_table(rows)}\n"


def _overview() -> str:
    rows = [("variant", "parameters", "with heads", "multiply-adds at 224", "classes")]
    rows += [_row(spec) for spec in VARIANTS.values()]
    return markdown_table(rows, numbers=True)


def _row(spec: GoogLeNetSpec) -> tuple[str, ...]:
    return (
        f"`{spec.variant}`",
        f"{cost.parameters(spec, heads=False):,}",
        f"{cost.parameters(spec):,}" if spec.aux is not None else "no heads",
        f"{cost.multiply_adds(spec):,}",
        str(spec.num_classes),
    )


PAGES = {
    "differences.md": differences_page,
    "fidelity.md": fidelity_page,
    "names.md": names_page,
}


def main() -> int:
    """Write the pages."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"docs/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
