"""Models that refine an answer step by step, and what trains, measures and runs them."""
