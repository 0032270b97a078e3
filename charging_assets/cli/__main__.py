"""`python -m charging_assets.cli`: the command line where no script is installed."""

import sys

from charging_assets.cli import main

sys.exit(main())
