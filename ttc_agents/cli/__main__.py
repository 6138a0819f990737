"""`python -m ttc_agents.cli` is `ttc`."""

import sys

from ttc_agents.cli import main

sys.exit(main())
