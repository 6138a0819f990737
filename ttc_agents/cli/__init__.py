"""The command `ttc` with its subcommands, see `_parse`.

Whatever is the user's to mend (a wrong argument, a missing file, a puzzle with a clash, a training
that diverges) is one line on stderr and exit code 2; Ctrl-C is one line and 130. docs/json.md
has all codes. `tyro`, torch and the rest are imported when a command needs them, so that help is
quick and a missing extra is named, not a traceback.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

from ttc_agents.cli.output import INTERRUPTED, complain
from ttc_agents.names import nearest

EXTRAS = {
    "agents": (
        "matplotlib",
        "rich",
        "safetensors",
        "sb3_contrib",
        "stable_baselines3",
        "torch",
        "torch_geometric",
        "tyro",
        "yaml",
    ),
    "hub": ("huggingface_hub",),
    "onnx": ("onnx", "onnx_ir", "onnxruntime", "onnxscript"),
    "traces": ("h5py", "minari"),
}
"""The top-level modules that come with an extra."""
START = """\
Start here:
  ttc solve                     watch a shipped network solve a puzzle that is drawn for you
  ttc watch                     write a page that shows several networks at work
  ttc train                     list what can be trained
  ttc demo                      train from nothing for two minutes and write a report

  ttc --help                    all commands; ttc COMMAND --help has an example of each
"""


class Command(Protocol):
    """A parsed subcommand; one that loads what users bring has `import_modules`."""

    def run(self) -> int:
        """Do what the options say; returns the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `ttc`.

    Args:
        arguments: The words after `ttc`; None takes those of the process.

    Returns:
        The exit code: 0, 2 for an error of the user's, 130 after Ctrl-C, 1 where the reader of the
        output left before its end.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    if not words:
        print(START, end="")
        return 0
    # Modules of the user's own beside them; last, so that none of ours is hidden.
    sys.path.append(os.getcwd())
    try:
        command = _parse(words)
        if isinstance(command, int):
            return command
        getattr(command, "import_modules", lambda: None)()
        return command.run()
    except KeyboardInterrupt:
        return complain("interrupted", INTERRUPTED)
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        extra = next((extra for extra, known in EXTRAS.items() if package in known), None)
        if extra is None:
            raise
        return complain(f'{package} is missing: pip install "ttc-gym[{extra}]"')
    except BrokenPipeError:
        # The reader of our output left, there is nobody to tell: what is buffered goes nowhere.
        sys.stdout = io.StringIO()
        return 1
    except OSError as error:
        return complain(sentence(error))
    except (ValueError, FloatingPointError) as error:
        # The last is a training that diverged.
        return complain(str(error))
    finally:
        sys.path.pop()


def _parse(words: Sequence[str]) -> Command | int:
    """The subcommand, or the exit code where there is nothing to run."""
    from tyro.extras import subcommand_cli_from_dict

    from ttc_agents.cli.compare import Compare
    from ttc_agents.cli.data import Data
    from ttc_agents.cli.demo import Demo
    from ttc_agents.cli.evaluate import Evaluate
    from ttc_agents.cli.export import Export
    from ttc_agents.cli.play import Play
    from ttc_agents.cli.probe import ProbePlaces
    from ttc_agents.cli.push import Push
    from ttc_agents.cli.report import Report
    from ttc_agents.cli.solve import Solve
    from ttc_agents.cli.traces import Traces
    from ttc_agents.cli.train import Train
    from ttc_agents.cli.watch import Watch

    commands: dict[str, Callable[..., Command]] = {
        "train": Train,
        "evaluate": Evaluate,
        "play": Play,
        "compare": Compare,
        "probe": ProbePlaces,
        "solve": Solve,
        "watch": Watch,
        "report": Report,
        "export": Export,
        "demo": Demo,
        "data": Data,
        "traces": Traces,
        "push": Push,
    }
    messages = io.StringIO()
    try:
        # tyro frames its complaints; one line is what scripts and logs can use.
        with contextlib.redirect_stderr(messages):
            return subcommand_cli_from_dict(
                commands,
                prog="ttc",
                description="Train, measure and watch models that think longer at test time. "
                "Exit codes: 0 done, 2 an error of the user's, 130 interrupted. Completion for a "
                "shell: ttc --tyro-print-completion bash (or zsh, tcsh).",
                args=list(words),
                sort_subcommands=False,
            )
    except SystemExit as leaving:
        if leaving.code in (0, None):
            return 0
        if words[0] not in commands and not words[0].startswith("-"):
            hint = nearest(words[0], commands)
            return complain(f"no command {words[0]!r}, {hint}expected {', '.join(commands)}")
        return complain(_first_sentence(messages.getvalue(), words[0]))


def _first_sentence(framed: str, command: str) -> str:
    """The words of a framed message up to its first rule, and the first option that it proposes."""
    lines = [line.strip("│ ") for line in framed.splitlines() if not line.startswith(("╭", "╰"))]
    rule = next((i for i, line in enumerate(lines) if line.startswith("──")), len(lines))
    proposed = re.search(r"Perhaps you meant:\s*(--[\w-]+)", " ".join(lines))
    hint = f", did you mean {proposed[1]}?" if proposed else ""
    return f"{' '.join(lines[:rule])}{hint} (see ttc {command} --help)"


def sentence(error: OSError) -> str:
    """What went wrong with a file, in words."""
    if error.errno is None or error.filename is None:
        return str(error)
    kinds = {
        FileNotFoundError: "there is no file or directory {}",
        PermissionError: "no permission for {}",
        IsADirectoryError: "expected a file, {} is a directory",
        NotADirectoryError: "expected a directory above {}",
    }
    words = kinds.get(type(error), f"{(error.strerror or 'failed').lower()}: {{}}")
    return words.format(repr(error.filename))
