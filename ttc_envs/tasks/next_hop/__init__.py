"""Shortest paths by next hops, on a new map in every instance."""
