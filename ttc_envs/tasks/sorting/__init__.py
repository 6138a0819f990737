"""Sorting: lists, rules, sorting networks, pictures."""
