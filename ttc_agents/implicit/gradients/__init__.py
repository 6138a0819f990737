"""Gradients of a fixed point z* = f(z*), whichever solver found it; a file each."""

from collections.abc import Callable

from ttc_agents.implicit.gradients.implicit import Implicit
from ttc_agents.implicit.gradients.mixed import Mixed
from ttc_agents.implicit.gradients.phantom import Phantom
from ttc_agents.implicit.gradients.unrolled import Unrolled
from ttc_agents.implicit.solvers import Gradient

GRADIENTS: dict[str, Callable[..., Gradient]] = {
    "implicit": Implicit,
    "phantom": Phantom,
    "mixed": Mixed,
    "unrolled": Unrolled,
}

__all__ = ["GRADIENTS", "Implicit", "Mixed", "Phantom", "Unrolled"]
