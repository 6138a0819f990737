#!/usr/bin/env bash
# Depth, restarts, noise and branching on families of real puzzles, files of your own, one family each:
# ./run.sh puzzles/*.csv.gz (formats: `ttc evaluate --help`). NETWORKS names checkpoints, COUNT is the
# number of puzzles of each file. LONG=1 also searches the whole files, with and without the rules.
set -euo pipefail
cd "$(dirname "$0")/../.."
ttc=${TTC:-.venv/bin/ttc}
python=${PYTHON:-.venv/bin/python}
here=experiments/three_axes
results=$here/results
for network in ${NETWORKS:-sudoku-cpu sudoku-best sudoku-deq-cpu sudoku-learned-graph-cpu}; do
    "$python" $here/axes.py "$network" --puzzles "$@" --count "${COUNT:-100}" | tail -n 1 >"$results/$network-axes.json"
    "$python" $here/picture.py "$results/$network-axes.json" --out "$results/$network-axes.png"
    if [ -n "${LONG:-}" ]; then
        "$ttc" evaluate "$network" --puzzles "$@" --protocol p2-branch,p3-branch \
            --steps 64,256,1024,4096,16384 --no-classical --json | tail -n 1 >"$results/$network-branch.json"
    fi
done
"$python" $here/controls.py "${CONTROL:-sudoku-cpu}" --puzzles "$@" | tail -n 1 >"$results/${CONTROL:-sudoku-cpu}-controls.json"
if [ -n "${LONG:-}" ]; then
    "$python" $here/training.py recipe no-extreme extreme-alone focal smoothed confident wide --seconds "${SECONDS_EACH:-240}"
fi
