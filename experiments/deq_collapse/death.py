"""A death and its control: the same training without a cure, and with normalised, damped states.

    python experiments/deq_collapse/death.py

Prints both curves side by side and which signal fired first (see signals.py; the thresholds are
those of the control run). The last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import torch
from collapse import COLUMNS, follow
from signals import CONTROLS, columns_of, death, fired, thresholds

SIZE, SEED, UPDATES = 4, 4, 100
SHOWN = ("probe", "residual", "converged", "radius", "weight_norm")


def main() -> None:
    """Run both."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    runs = {}
    for setting in ("none", CONTROLS[0]):
        found = follow(setting, SIZE, SEED, UPDATES)
        runs[setting] = columns_of({"columns": COLUMNS}, found)
        print(f"\n{setting}, {found['seconds']:.0f} s of training\n" + " ".join(("update", *SHOWN)))
        run = runs[setting]
        for row in np.arange(0, len(run["update"]), 4):
            values = " ".join(f"{run[name][row]:9.3f}" for name in SHOWN)
            print(f"{run['update'][row]:6.0f} {values}")
    dead, order = death(runs["none"]), fired(runs["none"], thresholds([runs[CONTROLS[0]]]))
    result = {
        "died": None if dead is None else float(runs["none"]["update"][dead]),
        "control_died": death(runs[CONTROLS[0]]) is not None,
        "fired": order,
    }
    print(f"first: {next(iter(order), 'nothing')}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
