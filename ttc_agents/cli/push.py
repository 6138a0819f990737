"""`ttc push`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from tyro import conf

from ttc_agents.cli.options import CHECKPOINT_ARG, Imports
from ttc_agents.cli.output import say


@dataclass(frozen=True, kw_only=True)
class Push(Imports):
    """Publish a checkpoint on the Hugging Face Hub, for others to name as hf://owner/name.

    The weights (safetensors), config.json and a model card travel; the state of the training stays
    here. The card is card.md of the checkpoint's directory, or what config.json knows. Arguments of
    the task are part of config.json, also names of files among them. Log in once by `hf auth
    login`. A second push adds a revision: hf://owner/name@COMMIT names the first one for good.
    Example: ttc push runs/mine OWNER/NAME

    Args:
        private: A repository that does not exist yet is made private.
        json: Print one JSON document, as the last line.
    """

    checkpoint: Annotated[str, conf.Positional, CHECKPOINT_ARG]
    repo: Annotated[
        str, conf.Positional, conf.arg(metavar="OWNER/NAME", help="The repository on the hub.")
    ]
    private: conf.FlagCreatePairsOff[bool] = False
    json: conf.FlagCreatePairsOff[bool] = False

    def run(self) -> int:
        """Publish, and say under what name."""
        from ttc_agents.inference.checkpoint import find_checkpoint, load_model
        from ttc_agents.inference.hub import SCHEME, parsed, push

        repo, _ = parsed(self.repo)
        directory = find_checkpoint(self.checkpoint)
        commit = push(directory, load_model(self.checkpoint), self.repo, self.private)
        if self.json:
            print(json.dumps({"name": f"{SCHEME}{repo}", "commit": commit}))
            return 0
        say(f"{SCHEME}{repo}, this revision for good: {SCHEME}{repo}@{commit}")
        return 0
