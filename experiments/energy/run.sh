#!/usr/bin/env bash
# Train energies on 4x4 and 6x6 with three seeds, and say what they solve and know; LONG=1 adds the twins at
# equal seconds, the tasks with pointers, and 9x9. PUZZLES names a file of 9x9 puzzles for the last tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
ttc=${TTC:-.venv/bin/ttc}
python=${PYTHON:-.venv/bin/python}
here=experiments/energy
runs=${RUNS:-runs/energy}
mkdir -p "$runs" "$here/results"
for seed in 0 1 2; do
    [ -d "$runs/4-$seed" ] || "$ttc" train sudoku4-energy --updates 100 --seed "$seed" --out "$runs/4-$seed"
    [ -d "$runs/6-$seed" ] || "$ttc" train sudoku6-energy --updates 1650 --seed "$seed" --out "$runs/6-$seed"
done
"$python" $here/measure.py "$runs"/4-{0,1,2} --few 32 --restart-steps 8 --out $here/results/sudoku4.json
"$python" $here/measure.py "$runs"/6-{0,1,2} --count 400 --few 96 --restart-steps 16 --out $here/results/sudoku6.json
"$python" $here/uses.py "$runs"/6-{0,1,2}
"$python" $here/compose.py
"$python" $here/region.py
"$python" $here/by_objective.py --size 4 --seconds 8
"$python" $here/by_objective.py --size 6 --seconds 60 --count 100
"$python" $here/memory.py
if [ -n "${LONG:-}" ]; then
    for plan in twins4 twins6 lists long_lists hops; do
        "$ttc" compare $here/preset.py:$plan --out $here/results
    done
    for seed in 0 1 2; do
        "$python" $here/nine.py easy --seconds 3600 --seed $seed --runs "$runs" ${PUZZLES:+--puzzles "$PUZZLES"}
    done
    "$python" $here/nine.py minimal --seconds 1800 --runs "$runs"
    "$python" $here/nine.py unrolled --seconds 1800 --runs "$runs"
    "$python" $here/measure.py "$runs/easy-0" --level givens=17..34 --few 48 --out $here/results/sudoku9-easy.json
    "$python" $here/measure.py "$runs"/easy-{0,1,2} --few 96 --out $here/results/sudoku9-easy-on-minimal.json
    for size in half=0.5 quarter=0.25; do
        "$python" $here/measure.py "$runs"/easy-{0,1,2} --count 100 --few 8 --restart-steps 8 --size "${size#*=}" \
            --out "$here/results/sudoku9-easy-${size%=*}-step.json"
    done
    "$python" $here/measure.py "$runs/minimal-0" --few 96 --out $here/results/sudoku9-minimal.json
    if [ -n "${PUZZLES:-}" ]; then
        evaluated() { "$ttc" evaluate --puzzles "$PUZZLES" --no-classical --json "$@" | tail -n 1; }
        evaluated "$runs/easy-0" --steps 64,256 >$here/results/rrn17to34.json
        for seed in 0 1 2; do
            evaluated "$runs/easy-$seed" --steps 128 --descent annealed >$here/results/rrn17to34-annealed-$seed.json
        done
    fi
    "$python" $here/pictures.py $here/results/sudoku9-minimal.json
fi
