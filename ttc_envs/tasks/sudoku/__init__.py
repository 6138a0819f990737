"""Sudoku: instances, rules, solver, pictures."""
