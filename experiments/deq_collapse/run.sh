#!/usr/bin/env bash
# Kill equilibrium networks and cure them: the death and its control, all settings on 4x4 and 6x6, what holds for long,
# and with LONG=1 the two best cures on 9x9, the implicit recipe taken apart, and its twins at equal time.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
here=experiments/deq_collapse
settings="none state-norm damped state-norm-damped jacobian spectral-norm weight-norm phantom-first late-states carried
    lower-rate rollback recipe"
export OMP_NUM_THREADS=1
"$python" $here/death.py
for setting in $settings; do
    "$python" $here/collapse.py "$setting" --size 4
    "$python" $here/collapse.py "$setting" --size 6 --seeds 0,1,2
done
"$python" $here/hold.py sudoku4-deq
if [ -n "${LONG:-}" ]; then
    for setting in state-norm-damped recipe; do
        "$python" $here/collapse.py "$setting" --size 9 --seeds 0
    done
    "$python" $here/nine.py recipe,mixed,unrolled --seconds 300 --seeds 0,1,2
    "$python" $here/nine.py all --seconds 100
fi
"$python" $here/signals.py $here/results/[469]-*.json
