"""Let a model refine its answer to puzzles; the same as `ttc solve`.

python scripts/solve.py puzzles.txt
python scripts/solve.py --help
"""

import sys

from ttc_agents.cli import main

if __name__ == "__main__":
    sys.exit(main(["solve", *sys.argv[1:]]))
