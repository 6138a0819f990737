"""Real US places, shared by both path tasks: table, graphs, maps, data set, scores, scenes."""
