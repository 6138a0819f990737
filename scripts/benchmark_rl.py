"""Agents of RL libraries beside refinement agents; the same as `ttc compare`.

python scripts/benchmark_rl.py experiments/rl_comparison/preset.py:rl_cpu --out runs/rl-cpu
python scripts/benchmark_rl.py experiments/rl_comparison/preset.py:rl_cpu --table sorting8
"""

import sys

from ttc_agents.cli import main

if __name__ == "__main__":
    sys.exit(main(["compare", *sys.argv[1:]]))
