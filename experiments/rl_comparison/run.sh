#!/usr/bin/env bash
# Train agents of all kinds for 40 CPU seconds each and play them on the same instances. Runs that are in
# results/ already are kept: remove a file to make it anew. Tables may run side by side, one process each.
set -euo pipefail
cd "$(dirname "$0")/../.."
ttc=${TTC:-.venv/bin/ttc}
export OMP_NUM_THREADS=1
preset=experiments/rl_comparison/preset.py
results=experiments/rl_comparison/results
"$ttc" compare $preset:rl_cpu --out $results --table sudoku4
"$ttc" compare $preset:rl_cpu --out $results --table sorting8 paths16 sudoku9 --seeds "${SEEDS:-2}"
# Ten CPU minutes of MaskablePPO alone: 10 to 60 minutes, by seeds and rows.
if [ -n "${LONG:-}" ]; then
    "$ttc" compare $preset:rl_edits4_10min --out $results --only MLP
fi
