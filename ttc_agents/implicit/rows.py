"""What is done to the rows of a batch, each by itself: choosing, comparing, and looking at them.

Shapes: z (B, ...); one number or one bool per row (B,).
"""

from __future__ import annotations

import torch
from torch import Tensor


def free_to_look(values: Tensor) -> bool:
    """Whether the host can read these values without waiting for a device.

    While a model is exported there are none to read.
    """
    return values.device.type == "cpu" and not torch.compiler.is_exporting()


def largest(counts: Tensor) -> int:
    """The largest of some counts, 0 where there is none; the host waits for it."""
    return int(counts.max()) if len(counts) else 0


def surely_all(rows: Tensor) -> bool:
    """Whether all rows (B,) bool are set; False as well where the host would have to wait."""
    return free_to_look(rows) and bool(rows.all())


def chosen_rows(rows: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """`yes` (B, ...) in these rows (B,) bool, else `no`; no copy where surely all are `yes`."""
    return yes if surely_all(rows) else torch.where(like(rows, yes), yes, no)


def like(rows: Tensor, z: Tensor) -> Tensor:
    """(B,) with as many axes as z (B, ...)."""
    return rows.view(-1, *[1] * (z.dim() - 1))


def norms(z: Tensor) -> Tensor:
    """(B, ...) -> (B,)."""
    return z.flatten(1).norm(dim=1) if z.dim() > 1 else z.abs()


def finite_rows(z: Tensor) -> Tensor:
    """Where all of (B, ...) is finite: (B,) bool; the largest number says so the fastest."""
    return z.flatten(1).abs().amax(1).isfinite() if z.dim() > 1 else z.isfinite()
