"""`python -m server`: one Tornado process."""

from __future__ import annotations

import sys

from server.app import run
from server.settings import read

if __name__ == "__main__":
    sys.exit(run(read(sys.argv[1:])))
