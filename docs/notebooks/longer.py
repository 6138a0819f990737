# %% [markdown]
# # A network that thinks longer
#
# This notebook watches one small network solve Sudoku. The network holds a complete answer and
# improves it step by step. It was trained on 8 steps at a time. We let it take more, see what
# happens in each step, and measure how many puzzles it solves after how many steps. All of it
# runs in about two minutes on one CPU core.

# %%
import io

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import ttc_agents as ta
from ttc_agents.figures.sweep import sweep_picture
from ttc_agents.inference.boards import search
from ttc_agents.inference.search import Branching

# %% [markdown]
# ## A network and a puzzle
#
# `sudoku-cpu` comes with the package. It has 16,512 parameters and was trained for half an hour
# on two CPU cores. `parse` reads a puzzle: 81 characters, row by row, with a dot for each blank
# cell.

# %%
task, model = ta.load_task("sudoku-cpu", "test"), ta.load("sudoku-cpu")
print(sum(values.numel() for values in model.state_dict().values()), "parameters")
puzzle = task.parse(
    ".....972.5...7.......2...1...6..2.8...2..1..4...598....6......794....5....1...8.."
)
print((puzzle.fields["givens"] >= 0).sum(), "of 81 cells are given")

# %% [markdown]
# ## Step by step
#
# `ta.refine` gives the answer after every refinement step. For each cell the network has a
# probability of each digit. The most probable digit is the answer, and its probability is called
# *confidence*. In the pictures, green cells are sure and red cells are guesses. A ring marks a
# digit that stands twice in a row, column or box.

# %%
steps = list(ta.refine(model, task, puzzle, 64))
shown = (1, 4, 8, 16, 32, 64)
pictures = [
    task.render(puzzle, steps[count - 1].answer, "rgb_array", steps[count - 1].confidence[0])
    for count in shown
]
height, width = pictures[0].shape[:2]
grid = np.concatenate([np.concatenate(pictures[i : i + 3], axis=1) for i in (0, 3)])
print("after", ", ".join(map(str, shown)), "steps")
print("all rules hold at the end:", bool(task.score(puzzle, steps[-1].answer)["solved"][0]))
Image.fromarray(grid).resize((3 * width // 2, height)).quantize(64)

# %% [markdown]
# Every picture is a complete answer, and the first ones are wrong. Sure cells settle their
# neighbours, until all rings are gone.
#
# ## What changes inside
#
# The *residual* is the relative change of the state in one step. It falls when the network
# settles. *Right cells* compares with the solution, which the network never sees.

# %%
right = [(step.answer == puzzle.labels["answer"]).mean() for step in steps]
sure = [step.confidence.mean() for step in steps]
residual = [step.residual[0] for step in steps]
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), dpi=80)
numbers = range(1, len(steps) + 1)
axes[0].plot(numbers, right, label="right cells")
axes[0].plot(numbers, sure, label="mean confidence")
axes[0].set(xlabel="refinement step", ylim=(0, 1.02))
axes[0].legend()
axes[1].semilogy(numbers, residual, color="tab:red")
axes[1].set(xlabel="refinement step", ylabel="residual")
figure.tight_layout()

# %% [markdown]
# ## Many puzzles
#
# One puzzle is an anecdote. `ta.sweep` takes 200 puzzles and records after how many steps each is
# solved. The level `minimal` has puzzles of which no given can be removed. They come from the
# test split, which shares no puzzle with the training, not even in a mirrored or relabelled form.
# No trajectory is stopped at the solution: an answer counts for step T if it stands after step T.

# %%
keys = np.random.default_rng(0).integers(2**63, size=200, dtype=np.uint64)
minimal = task.sample(keys, "minimal")
swept = ta.sweep(model, task, {"minimal": minimal}, [1, 2, 4, 8, 16, 32, 64, 128])
for row, families in swept.to_json()["rows"].items():
    print(f"{row:8}", {step: round(f["solved"], 2) for step, f in families["minimal"].items()})

# %%
png = sweep_picture(swept.to_json(), title="200 minimal puzzles", trained_steps=8)
Image.open(io.BytesIO(png)).convert("P")

# %% [markdown]
# The shaded part is what a training update has seen: 8 steps. Nearly all of the gain lies beyond
# it. `improve` is a classical method that fills in all forced cells at each step. It stands still
# where a puzzle needs more than that. `solve` is an exact solver, and `random` guesses.
#
# ## When steps alone do not help
#
# Some puzzles need a guess that may turn out wrong. This one is known as one of the
# hardest. Depth alone leaves it unsolved:

# %%
hard = task.parse(
    "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."
)
for count in (64, 256, 1024):
    (found,) = ta.solve("sudoku-cpu", task.spell(hard.fields["givens"][0]), count)
    print(count, "steps:", "solved" if found["solved"] else "not solved")

# %% [markdown]
# *Branching* sets a doubtful cell to each of its possible digits and lets the network refine each
# case. The network alone decides which case it believes: it has to be sure of every cell, and has
# to come back to the same answer from random parts of it. No rule of Sudoku is read.

# %%
(tree,) = search(model, task, hard, budget=4096, how=Branching(steps=32))
print("accepted:", tree.accepted, "| boards:", len(tree.boards), "| steps in all:", tree.used)
if tree.accepted:
    answer = tree.boards[-1].answer
    print("all rules hold:", bool(task.score(hard, answer[None])["solved"][0]))

# %% [markdown]
# ## Where to go from here
#
# - `ttc watch` makes a page on which you can replay all of this, and have the network solve your
#   own puzzle in the browser ([watch](../watch.md)).
# - [Train and sweep](../train.md) trains such a network from nothing.
# - [Branching](../branching.md) explains the search, and [protocols](../protocols.md) explain
#   what may be tried before an answer counts.
# - [Bring your own task](own_task.ipynb) uses the same tools on a task that the package does not
#   know.
