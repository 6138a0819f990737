"""Train from nothing, sweep, write a report; the same as `ttc demo`.

python scripts/demo.py
python scripts/demo.py --out runs/other --seconds 300
"""

import sys

from ttc_agents.cli import main

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))
