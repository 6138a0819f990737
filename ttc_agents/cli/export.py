"""`ttc export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro import conf

from ttc_agents.cli.options import Imports, task_options
from ttc_agents.cli.output import make_room, say, write


@dataclass(frozen=True, kw_only=True)
class Export(Imports):
    """Write one refinement step of a network as a file for other runtimes.

    The file holds encoding, first state, step and readout, for batches of any size. docs/export.md
    shows how to run it.
    Example: ttc export sudoku-cpu --onnx sudoku.onnx

    Args:
        onnx: Write an ONNX file here. Needs the extra `onnx`.
        torch: Write a program of torch.export here, usually FILE.pt2.
        task: Arguments of the task, as NAME=VALUE, where its sizes differ from those in training.
    """

    checkpoint: Annotated[
        str,
        conf.Positional,
        conf.arg(metavar="CHECKPOINT", help="A shipped name (sudoku-cpu) or a directory."),
    ]
    onnx: Path | None = None
    torch: Path | None = None
    task: tuple[str, ...] = ()

    def run(self) -> int:
        """Trace the step once, then write each file and name it."""
        from ttc_agents.inference.checkpoint import load_model, load_task
        from ttc_agents.inference.export import onnx_file, program, torch_file

        kinds = ((self.onnx, onnx_file), (self.torch, torch_file))
        wanted = [(path, make) for path, make in kinds if path is not None]
        if not wanted:
            raise ValueError("what to write? Give --onnx FILE, --torch FILE or both")
        for path, _ in wanted:
            make_room(path)
        options = task_options(self.task)
        spec = load_task(self.checkpoint, **options).spec if options else None
        step = program(load_model(self.checkpoint, spec=spec))
        for path, make in wanted:
            data = make(step)
            write(path, data)
            say(f"{path}: {len(data):,} bytes")
        return 0
