"""Train a recipe into a directory; the same as `ttc train`.

python scripts/train.py sudoku9-cpu-2min --out runs/mine
python scripts/train.py sudoku9-cpu-2min --out runs/mine --resume
"""

import sys

from ttc_agents.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
