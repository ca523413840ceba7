"""``python -m googlenet`` is the command ``googlenet``."""

from __future__ import annotations

import sys

from googlenet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
