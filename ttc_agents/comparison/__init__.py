"""Agents of all kinds beside each other: same instances, same step budget, same training budget."""
