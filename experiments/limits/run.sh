#!/usr/bin/env bash
# Sweep trained networks over larger maps and longer lists, and find the depth that each size needs.
# Classical methods come first, without a checkpoint. PATHS, COMPLETE and ADJACENT name checkpoints, by
# default the shipped ones.
set -euo pipefail
cd "$(dirname "$0")/../.."
ttc=${TTC:-.venv/bin/ttc}
python=${PYTHON:-.venv/bin/python}
results=experiments/limits/results
PATHS=${PATHS:-shortest-path-cpu} COMPLETE=${COMPLETE:-sorting-cpu} ADJACENT=${ADJACENT:-sorting-adjacent-cpu}
mkdir -p "$results"
sweep() {  # name, checkpoint, words for `ttc evaluate`
    "$ttc" evaluate "$2" "${@:3}" --json | tail -n 1 >"$results/$1.json"
}
"$ttc" play --env ttc/ShortestPath-v0 --count 200 --steps 1,2,3,4,6,8,12,16,24,32,48,64 --json \
    --task places=64 --task places=128 --task places=256 --task places=512 | tail -n 1 >"$results/paths-classical.json"
"$ttc" play --env ttc/Sorting-v0 --count 200 --steps 1,2,4,8,10,12,14,16,21,24,32,36,48,64,96,128,192,256 --json \
    --task size=16 --task size=32 --task size=64 --task size=128 --task size=256 | tail -n 1 >"$results/sorting-classical.json"
sweep paths "$PATHS" --count 100 --steps 1,2,4,8,12,16,24,32,48,64,96,128,192,256 \
    --task places=64 --task places=128 --task places=256 --task places=512
sweep paths-deep "$PATHS" --count 100 --steps 256,512,1024 --no-classical --task places=64
sweep paths-1024 "$PATHS" --count 100 --steps 16,32,64,128 --no-classical --task places=1024 degree=20
sweep sorting-complete "$COMPLETE" --count 200 --steps 1,2,4 --no-classical --task size=16 min_size=16 \
    --task size=64 min_size=64 --task size=128 min_size=128 --task size=256 min_size=256
for size in 512 1024; do
    sweep "sorting-complete-$size" "$COMPLETE" --count 200 --steps 1 --no-classical --task "size=$size" "min_size=$size"
done
sweep sorting-adjacent "$ADJACENT" --count 200 --steps 1,4,8,12,16,24,32,48,64,96,128,192,256,384 \
    --task size=16 --task size=64 --task size=256
"$python" experiments/limits/best_depth.py "$results"/{paths,sorting}*.json
"$python" experiments/limits/by_grade.py sudoku-cpu --count 300 --steps 256
# The equilibrium twin: ttc train sudoku9-deq-cpu-30min --out DIR
if [ -n "${EQUILIBRIUM:-}" ]; then
    "$python" experiments/limits/by_grade.py "$EQUILIBRIUM" --count 300 --steps 256 --out "$results/sudoku-grades-deq.json"
fi
