#!/usr/bin/env bash
# More steps against more layers at one training budget, a language model over places with its probe, and what a cache
# and a memory cost. Runs that are in results/ already are kept: remove a file to make it anew.
set -euo pipefail
cd "$(dirname "$0")/../.."
ttc=${TTC:-.venv/bin/ttc}
python=${PYTHON:-.venv/bin/python}
results=experiments/recurrence/results
export OMP_NUM_THREADS=1
mkdir -p "$results"
preset=experiments/recurrence/preset.py
for name in study_paths_cpu study_maps_cpu study_sorting_cpu study_options_cpu; do
    "$ttc" compare $preset:$name --out "$results"
done
# Where three seeds left it open.
"$ttc" compare $preset:study_maps_cpu --out "$results" --seeds 6 --only feed-forward top universal
"$ttc" compare $preset:study_sorting_cpu --out "$results" --seeds 5 --only feed-forward universal
"$ttc" compare $preset:study_sudoku_cpu --out "$results"
# Ten times the budget: an hour on each of two cores.
"$ttc" compare $preset:study_sudoku_cpu --flops 1.4e14 --seeds 1 --out "$results/hour" --only feed-forward &
"$ttc" compare $preset:study_sudoku_cpu --flops 1.4e14 --seeds 1 --out "$results/hour" --only universal
wait
"$ttc" probe city-lstm-cpu-20min --out runs/city-lstm | tail -n 1 >"$results/city-lstm-probe.json"
"$python" experiments/recurrence/paths.py runs/city-lstm/model | tail -n 1 >"$results/city-lstm-paths.json"
cp runs/city-lstm/map.png "$results/city-lstm-map.png"
cp runs/city-lstm/curve.png "$results/city-lstm-curve.png"
"$python" benchmarks/path_decoding.py | tail -n 1 >"$results/path-decoding.json"
"$python" benchmarks/product_keys.py | tail -n 1 >"$results/product-keys.json"
"$python" benchmarks/product_keys.py --keys 594 --heads 1 --top 4 8 --repeats 9 | tail -n 1 >"$results/product-keys-594.json"
