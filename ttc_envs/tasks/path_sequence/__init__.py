"""Shortest paths as sequences of places, on a map that stays and is not shown."""
