#!/usr/bin/env bash
# Learn graphs and measure how fast: every setting of measure.py, the variance of the estimators,
# 4x4 from end to end, and with LONG=1 the half-hour pair on 9x9.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
ttc=${TTC:-.venv/bin/ttc}
here=experiments/learned_graph
export OMP_NUM_THREADS=1
"$python" $here/variance.py
for setting in 9x9 9x9-pruned 9x9-single-stage 9x9-per-instance 9x9-axes 9x9-axes-table 9x9-simple \
    9x9-straight-through 9x9-reinforce 9x9-reinforce-per-node 9x9-one-reward 9x9-two-graphs 6x6 16x16; do
    "$python" $here/measure.py "$setting"
done
"$ttc" train learned-graph-4x4 --out runs/learned-graph-4x4 --overwrite --json | tail -n 1 >$here/results/4x4.json
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
