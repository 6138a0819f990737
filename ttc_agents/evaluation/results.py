"""What a sweep found, as a value and as a JSON document.

A row is a protocol of the model (see `PROTOCOLS`), a classical method, or a policy. Comparisons
write their shares in the same shape {row: {family: {step: share}}}.

Shapes: n instances of a family, R recorded steps, K trajectories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ttc_agents.evaluation.branching import RULES_ACCEPT, Searched
from ttc_agents.evaluation.intervals import share
from ttc_agents.evaluation.records import Records
from ttc_agents.evaluation.scores import pace_table, part_table, score_table

PROTOCOLS = ("p1", "p2", "p3", *RULES_ACCEPT)
STEPLESS = ("random", "solve")
"""Classical rows whose steps mean nothing, so that there is no pace to compare with."""
SEVERAL = "trajectories"
"""What the K trajectories of p2 and p3 are called among the records."""


@dataclass(frozen=True, eq=False)
class SweepResult:
    """Whether each instance of each family was solved after each recorded step.

    Args:
        steps: The recorded steps.
        solved: {row: {family: (n, R) bool}}.
        records: {row: {family: its trajectories}}: one of p1 and of classical methods; the K of p2
            and p3 under `SEVERAL`.
        settings: What was run: seed, number of trajectories, batch size, how it branched.
        searched: {row: {family: what searches came to}}, of rows whose steps are budgets.
        finite: {row: {family: (n,) bool}}, of rows without records: whether all was finite.
    """

    steps: tuple[int, ...]
    solved: dict[str, dict[str, np.ndarray]]
    records: dict[str, dict[str, list[Records]]]
    settings: dict[str, Any] = field(default_factory=dict)
    searched: dict[str, dict[str, Searched]] = field(default_factory=dict)
    finite: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def to_json(self, per_instance: bool = False) -> dict[str, Any]:
        """The document of the sweep.

        `rows` is {row: {family: {step: {"solved", "n", "low", "high"}}}}; entries of searches have
        more, see `Searched.to_json`. `scores` and `parts`
        ({row: {family: table}}) and `pace` ({classical row: {family: table}}, of p1) are those of
        the module `scores`. `nonfinite` is {row: {family: trajectories that were not finite}}.

        Args:
            per_instance: Whether to add `records`, one entry per instance and column.
        """
        single = {
            row: {family: own for family, (own,) in families.items()}
            for row, families in self.records.items()
            if row != SEVERAL
        }
        document: dict[str, Any] = {
            "steps": list(self.steps),
            "rows": {
                row: {family: self._shares(solved) for family, solved in families.items()}
                for row, families in self.solved.items()
            }
            | {
                row: {family: own.to_json() for family, own in families.items()}
                for row, families in self.searched.items()
            },
            **_score_tables(single),
            "nonfinite": self._nonfinite(),
            "settings": self.settings,
        }
        if per_instance:
            document["records"] = {
                row: {family: [r.to_json() for r in rs] for family, rs in families.items()}
                for row, families in self.records.items()
            } | {
                row: {family: own.records() for family, own in families.items()}
                for row, families in self.searched.items()
            }
        return document

    def _nonfinite(self) -> dict[str, dict[str, int]]:
        """{row: {family: trajectories, or searches, that were not finite at some step}}."""
        finite = {
            row: {
                family: np.concatenate([r.nonfinite < 0 for r in rs]) for family, rs in own.items()
            }
            for row, own in self.records.items()
            if row in (*PROTOCOLS, SEVERAL)
        }
        finite |= {row: {f: s.finite for f, s in own.items()} for row, own in self.searched.items()}
        return {
            row: {family: int((~kept).sum()) for family, kept in own.items()}
            for row, own in {**finite, **self.finite}.items()
        }

    def _shares(self, solved: np.ndarray) -> dict[str, dict[str, float | int]]:
        counts = solved.sum(axis=0).tolist()
        return {str(s): share(c, len(solved)) for s, c in zip(self.steps, counts, strict=True)}


def _score_tables(rows: dict[str, dict[str, Records]]) -> dict[str, Any]:
    """What is recorded beside `solved`, of rows {row: {family: one trajectory}}."""
    first = rows.get("p1", {})
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
            for row, families in rows.items()
            if row not in (*STEPLESS, *PROTOCOLS)
        },
    }


def joined(results: Sequence[SweepResult]) -> SweepResult:
    """Sweeps by the same steps as one: of other families, of other rows, or both.

    Raises:
        ValueError: A row of two of them has a family of the same name.
    """
    return SweepResult(
        results[0].steps,
        _merged([result.solved for result in results]),
        _merged([result.records for result in results]),
        {name: value for result in results for name, value in result.settings.items()},
        _merged([result.searched for result in results]),
        _merged([result.finite for result in results]),
    )


def _merged(tables: Sequence[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """{row: {family: ...}} of all tables; rows that only some have are kept."""
    merged: dict[str, dict[str, Any]] = {}
    for table in tables:
        for row, families in table.items():
            own = merged.setdefault(row, {})
            twice = sorted(own.keys() & families.keys())
            if twice:
                raise ValueError(f"two sweeps have the family {twice[0]!r} in the row {row!r}")
            own.update(families)
    return merged
