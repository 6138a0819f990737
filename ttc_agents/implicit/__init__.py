"""Fixed points: solvers, their gradients, and what to look at when they fail.

Needs torch alone. `solve(SOLVERS["anderson"](memory=5), f, z0, max_steps=50, tol=1e-5)`.
"""

from ttc_agents.implicit.anderson import Anderson
from ttc_agents.implicit.assignment import sinkhorn
from ttc_agents.implicit.broyden import Broyden
from ttc_agents.implicit.gradients import GRADIENTS, Implicit, Mixed, Phantom, Unrolled
from ttc_agents.implicit.newton_krylov import NewtonKrylov
from ttc_agents.implicit.picard import Picard
from ttc_agents.implicit.solvers import BackwardReport, Solution, Solver, solve

SOLVERS: dict[str, type[Solver]] = {
    "picard": Picard,
    "anderson": Anderson,
    "broyden": Broyden,
    "newton_krylov": NewtonKrylov,
}

__all__ = [
    "GRADIENTS",
    "SOLVERS",
    "Anderson",
    "BackwardReport",
    "Broyden",
    "Implicit",
    "Mixed",
    "NewtonKrylov",
    "Phantom",
    "Picard",
    "Solution",
    "Solver",
    "Unrolled",
    "sinkhorn",
    "solve",
]
