"""What a sweep found, as a value and as a JSON document.

Shapes: n puzzles of a family, R recorded steps, K trajectories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ttc_agents.evaluation.intervals import share
from ttc_agents.evaluation.records import Records
from ttc_agents.evaluation.scores import pace_table, part_table, score_table

PROTOCOLS = ("p1", "p2", "p3")
STEPLESS = ("random", "solve")
"""Classical rows whose steps mean nothing, so that there is no pace to compare with."""


@dataclass(frozen=True, eq=False)
class SweepResult:
    """Whether each puzzle of each family was solved after each recorded step.

    Args:
        steps: The recorded steps.
        solved: {protocol: {family: (n, R) bool}}.
        classical: {row: {family: one trajectory}}.
        records: {"p1": {family: [one trajectory]}, "trajectories": {family: [K of p2 and p3]}}.
        settings: What was run: seed, number of trajectories, batch size.
    """

    steps: tuple[int, ...]
    solved: dict[str, dict[str, np.ndarray]]
    classical: dict[str, dict[str, Records]]
    records: dict[str, dict[str, list[Records]]]
    settings: dict[str, Any] = field(default_factory=dict)

    def to_json(self, per_puzzle: bool = False) -> dict[str, Any]:
        """The table {protocol: {family: {steps: {"solved", "n", "low", "high"}}}} and the settings.

        `scores` and `parts` ({row: {family: table}}) and `pace` ({classical row: {family: table}},
        of P1) are those of the module `scores`; their rows are "p1" and the classical ones, the
        last two without those whose steps mean nothing.

        Args:
            per_puzzle: Whether to add `records`, one entry per puzzle and column.
        """

        def table(rows: dict[str, np.ndarray]) -> dict[str, Any]:
            return {family: self._shares(solved) for family, solved in rows.items()}

        document: dict[str, Any] = {p: table(self.solved.get(p, {})) for p in PROTOCOLS}
        document["classical"] = {
            row: table({family: records.solved for family, records in families.items()})
            for row, families in self.classical.items()
        }
        document |= self._score_tables()
        document["nonfinite"] = {
            kind: {f: sum(int((r.nonfinite >= 0).sum()) for r in rs) for f, rs in families.items()}
            for kind, families in self.records.items()
        }
        document["steps"] = list(self.steps)
        document["settings"] = self.settings
        if per_puzzle:
            document["records"] = {
                kind: {family: [r.to_json() for r in rs] for family, rs in families.items()}
                for kind, families in self.records.items()
            }
            document["records"]["classical"] = {
                row: {family: r.to_json() for family, r in families.items()}
                for row, families in self.classical.items()
            }
        return document

    def _score_tables(self) -> dict[str, Any]:
        """What is recorded beside `solved`."""
        first = {family: records for family, (records,) in self.records.get("p1", {}).items()}
        rows = {"p1": first, **self.classical} if first else self.classical
        parts = {
            row: {f: table for f, r in families.items() if (table := part_table(r))}
            for row, families in rows.items()
            if row not in STEPLESS
        }
        return {
            "scores": {
                row: {family: score_table(r) for family, r in families.items()}
                for row, families in rows.items()
            },
            "parts": {row: families for row, families in parts.items() if families},
            "pace": {
                row: {f: pace_table(first[f], r) for f, r in families.items() if f in first}
                for row, families in self.classical.items()
                if row not in STEPLESS
            },
        }

    def _shares(self, solved: np.ndarray) -> dict[str, dict[str, float | int]]:
        counts = solved.sum(axis=0).tolist()
        return {str(s): share(c, len(solved)) for s, c in zip(self.steps, counts, strict=True)}


def joined(results: Sequence[SweepResult]) -> SweepResult:
    """Sweeps of the same rows and steps over different families as one.

    Raises:
        ValueError: Two of them have a family of the same name.
    """
    first = results[0]
    return SweepResult(
        first.steps,
        _merged([result.solved for result in results]),
        _merged([result.classical for result in results]),
        _merged([result.records for result in results]),
        first.settings,
    )


def _merged(tables: Sequence[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """{row: {family: ...}} of all tables; rows that only some have are kept."""
    merged: dict[str, dict[str, Any]] = {}
    for table in tables:
        for row, families in table.items():
            own = merged.setdefault(row, {})
            twice = sorted(own.keys() & families.keys())
            if twice:
                raise ValueError(f"two sweeps have the family {twice[0]!r}")
            own.update(families)
    return merged
