#!/usr/bin/env bash
# Train energies on 4x4 and 6x6 with three seeds, and say what they solve and know; LONG=1 adds 9x9, the
# twins at equal seconds, and the tasks with pointers. PUZZLES names a file of 9x9 puzzles for the last test.
set -euo pipefail
cd "$(dirname "$0")/../.."
ttc=${TTC:-.venv/bin/ttc}
python=${PYTHON:-.venv/bin/python}
here=experiments/energy
runs=${RUNS:-runs/energy}
mkdir -p "$runs" "$here/results"
for seed in 0 1 2; do
    [ -d "$runs/4-$seed" ] || "$ttc" train sudoku4-energy --updates 100 --seed "$seed" --out "$runs/4-$seed"
    [ -d "$runs/6-$seed" ] || "$ttc" train sudoku6-energy --updates 3500 --seed "$seed" --out "$runs/6-$seed"
done
"$python" $here/measure.py "$runs"/4-{0,1,2} --few 32 --restart-steps 8 --out $here/results/sudoku4.json
"$python" $here/measure.py "$runs"/6-{0,1,2} --few 48 --restart-steps 16 --out $here/results/sudoku6.json
"$python" $here/measure.py "$runs"/6-{0,1,2} --first 1000 --few 48 --restart-steps 16 --out $here/results/sudoku6-others.json
"$python" $here/uses.py "$runs"/6-{0,1,2}
"$python" $here/compose.py
"$python" $here/pictures.py $here/results/sudoku6.json
if [ -n "${LONG:-}" ]; then
    for plan in twins4 twins6 lists hops; do
        "$ttc" compare $here/preset.py:$plan --out $here/results
    done
    "$ttc" train sudoku9-energy-cpu-30min --out "$runs/9-0" --resume
    "$python" $here/measure.py "$runs/9-0" --out $here/results/sudoku9.json
    [ -z "${PUZZLES:-}" ] || "$ttc" evaluate "$runs/9-0" --puzzles "$PUZZLES" --steps 8,16,32,64,128 --json
fi
