#!/usr/bin/env bash
# What an equilibrium is for at test time: rest, random starts and residuals; gradients by residual; neighbours; warm starts of a search.
# ./run.sh CHECKPOINT...; PUZZLES=hard.csv searches 100 of the puzzles of a file besides our own.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
here=experiments/deq_test_time
export OMP_NUM_THREADS=1
for checkpoint in "$@"; do
    "$python" $here/rest.py "$checkpoint"
    "$python" $here/cosine.py "$checkpoint"
    "$python" $here/neighbour.py "$checkpoint"
    "$python" $here/warm.py "$checkpoint" --steps 8,16,32
    if [ -n "${PUZZLES:-}" ]; then
        "$python" $here/warm.py "$checkpoint" --puzzles "$PUZZLES" --count 100 --steps "${STEPS:-16}"
    fi
done
