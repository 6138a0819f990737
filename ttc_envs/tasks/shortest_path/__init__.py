"""Shortest paths over real US places: city table, graphs, data set, two tasks."""
