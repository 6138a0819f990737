"""What a language model over places writes: its loss, and the paths of beams of 1 and 10.

    python experiments/recurrence/paths.py runs/city-lstm/model --count 2000

Pairs of the test split, none of which was trained on in either direction. The last line on stdout
is one JSON document.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from ttc_agents.comparison.run import distinct
from ttc_agents.evaluation.outcome import findings
from ttc_agents.inference.checkpoint import load_config, load_model, load_task


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("--count", type=int, default=2000)
    args = parser.parse_args()
    config, model = load_config(args.checkpoint), load_model(args.checkpoint)
    if not model.autoregressive:
        raise ValueError(f"expected a language model over places, got {config['model']}")
    task = load_task(args.checkpoint, "test")
    instances = task.sample(np.arange(args.count, dtype=np.uint64), "any")
    document = {
        "recipe": config["recipe"]["name"],
        "seed": config["recipe"]["seed"],
        "task": config["task"],
        "updates": config["updates"],
        "seconds": config["seconds"],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "pairs": args.count,
        "distinct": distinct(instances),
        **findings(model, task, instances),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
