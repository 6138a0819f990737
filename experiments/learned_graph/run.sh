#!/usr/bin/env bash
# Learn graphs and measure how fast: every setting of measure.py, the variance of the estimators, hidden
# maps, sorting, inference, transfer, 4x4 from end to end, and with LONG=1 the half-hour pair on 9x9.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
ttc=${TTC:-.venv/bin/ttc}
here=experiments/learned_graph
export OMP_NUM_THREADS=1
"$python" $here/variance.py
measure() { "$python" $here/measure.py "$@"; }
measure 9x9 --seeds 0,1,2,3,4,5,6,7,8,9
measure 9x9-single-stage --seeds 0,1,2,3,4,5,6,7
measure 9x9-pruned --seeds 0,5,6,7,8,9
measure 6x6
measure 9x9-axes --seeds 0,1,2
measure 16x16 --seeds 0 --limit 450
# What does not get there is ended early.
measure 9x9-straight-through
measure 9x9-simple
measure 9x9-one-reward --limit 10
measure 9x9-two-graphs --limit 17
measure 9x9-reinforce-per-node --limit 6
measure 9x9-reinforce --limit 6
measure 9x9-study --seeds 0
measure 9x9-study-lstm --seeds 0 --limit 150
"$python" $here/hidden_map.py --second 15
"$python" $here/sorting.py --seeds 0
"$python" $here/inference.py --seeds 0
"$python" $here/transfer.py --seconds 40
"$python" $here/curves.py
"$ttc" train learned-graph-4x4 --out runs/learned-graph-4x4 --overwrite --json | tail -n 1 >$here/results/4x4.json
"$ttc" train graph-9x9 --out runs/graph-9x9 --overwrite --json
cp runs/graph-9x9/graph.gif $here/results/9x9.gif
cp runs/learned-graph-4x4/graph.gif $here/results/4x4.gif
if [ -n "${LONG:-}" ]; then
    "$ttc" train learned-graph-9x9 --out runs/learned-graph-9x9 --overwrite
    "$ttc" train true-graph-9x9 --out runs/true-graph-9x9 --overwrite
    for name in learned true; do
        for level in minimal givens=30; do
            "$ttc" evaluate "runs/$name-graph-9x9" --level "$level" --count 1000 --steps 16,32,64,128 \
                --json --out "$here/results/$name-$level.json" >/dev/null
        done
    done
fi
