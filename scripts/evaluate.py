"""Sweep the refinement steps of a checkpoint; the same as `ttc evaluate`.

python scripts/evaluate.py sudoku-cpu --level minimal --count 200
python scripts/evaluate.py runs/mine --puzzles puzzles.csv --steps 1,16,64,256 --json
"""

import sys

from ttc_agents.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
