#!/usr/bin/env bash
# Train the recipes on Sudoku and sweep their refinement steps. Families of real puzzles are files
# of your own, one family each: ./run.sh puzzles/*.csv.gz (formats: `ttc evaluate --help`).
set -euo pipefail
cd "$(dirname "$0")/../.."
ttc=${TTC:-.venv/bin/ttc}
results=experiments/sudoku_sweep/results
steps=1,2,4,8,16,32,64,128,256,512,1024
for recipe in ${RECIPES:-sudoku4-demo sudoku4-rrn sudoku9-cpu-2min sudoku9-cpu-30min sudoku9-rrn-cpu-60min}; do
    "$ttc" train "$recipe" --out "runs/$recipe" --overwrite
    "$ttc" evaluate "runs/$recipe" --level minimal --count 1000 --steps "$steps" \
        --json --out "$results/$recipe.json" >/dev/null
    if [ $# -gt 0 ] && [[ $recipe == sudoku9-* ]]; then
        "$ttc" evaluate "runs/$recipe" --puzzles "$@" --steps 1,16,64,256 \
            --json --out "$results/$recipe-families.json" >/dev/null
    fi
done
