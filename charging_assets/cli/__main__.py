"""`python -m charging_assets.cli`: the command line where no script is installed."""

import os
import sys

# `python -m` looks for modules in the current folder first: a `queue.py` there would replace
# Python's. The folder stays on the path in a checkout, because the package is imported from it.
if not sys.flags.safe_path and os.path.dirname(__file__) != os.path.join(  # noqa: PTH118, PTH120
    os.getcwd(), "charging_assets", "cli"  # noqa: PTH109 - pathlib may be one of those modules
):  # fmt: skip
    sys.path[:] = [entry for entry in sys.path if entry not in ("", os.getcwd())]  # noqa: PTH109

from charging_assets.cli import main

sys.exit(main())
