#!/usr/bin/env bash
# Depth, restarts and branching on families of real puzzles, files of your own, one family each:
# ./run.sh puzzles/*.csv.gz (formats: `ttc evaluate --help`). NETWORKS names checkpoints.
set -euo pipefail
cd "$(dirname "$0")/../.."
ttc=${TTC:-.venv/bin/ttc}
python=${PYTHON:-.venv/bin/python}
results=experiments/three_axes/results
for network in ${NETWORKS:-sudoku-best}; do
    "$ttc" evaluate "$network" --puzzles "$@" --protocol p2-branch --steps 64,256,1024,4096,16384 \
        --no-classical --json | tail -n 1 >"$results/$network-branch.json"
    if [ -n "${LONG:-}" ]; then
        "$ttc" evaluate "$network" --puzzles "$@" --protocol p1,p2,p3,p3-branch --trajectories 8 \
            --steps 16,64,256,1024 --no-classical --json | tail -n 1 >"$results/$network-axes.json"
    fi
    "$python" experiments/three_axes/controls.py "$network" --puzzles "$@" | tail -n 1 >"$results/$network-controls.json"
done
