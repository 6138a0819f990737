#!/usr/bin/env bash
# Train agents of all kinds for 40 CPU seconds each and play them on the same instances. Cells that are in
# results/ already are kept: remove a file to make it anew. Arenas may run side by side, one process each.
set -euo pipefail
cd "$(dirname "$0")/../.."
ttc=${TTC:-.venv/bin/ttc}
export OMP_NUM_THREADS=1
"$ttc" compare --preset rl-cpu --out experiments/rl_comparison/results --arena sudoku4
"$ttc" compare --preset rl-cpu --out experiments/rl_comparison/results --arena sorting8 paths16 sudoku9 \
    --seeds "${SEEDS:-2}"
# Ten CPU minutes of MaskablePPO alone: 10 to 60 minutes, by seeds and rows.
if [ -n "${LONG:-}" ]; then
    "$ttc" compare --preset rl-edits4-10min --out experiments/rl_comparison/results --only MLP
fi
