"""Agents of RL libraries beside refinement agents; the same as `ttc compare`.

python scripts/benchmark_rl.py --preset rl-cpu --out runs/rl-cpu
python scripts/benchmark_rl.py --preset rl-cpu --out runs/quick --arena sorting8 --seconds 10
"""

import sys

from ttc_agents.cli import main

if __name__ == "__main__":
    sys.exit(main(["compare", *sys.argv[1:]]))
