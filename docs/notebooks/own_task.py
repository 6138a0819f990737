# %% [markdown]
# # Bring your own task
#
# This notebook adds a task that the package does not know: *which cells of a maze can be
# reached?* It then trains a shipped model on small mazes, and measures it on mazes that are four
# times as large. Nothing in the package is edited. All of it runs in about two minutes on one CPU
# core.
#
# A *task* says how instances are drawn, what an answer is, and how an answer is scored. Here an
# instance is a maze with one start. An answer is one choice for each cell: 0 for "cannot be
# reached", 1 for "can be reached".

# %%
import io

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
from gymnasium.utils.env_checker import check_env
from PIL import Image

import ttc_agents as ta
import ttc_envs
from ttc_agents.figures.sweep import sweep_picture

# %% [markdown]
# ## The task
#
# A task derives from `ttc_envs.Task`. It has to set `spec` and to write `sample` and `solve`. The
# spec is all that a model may know of the task:
#
# | entry of the spec | here |
# |---|---|
# | `fields` | one symbol per cell: 0 wall, 1 free, 2 start |
# | `num_nodes`, `num_choices` | the cells; two choices each |
# | `choices` | `class`: choice 1 means the same in every cell |
# | `neighbours` | the four cells beside each cell, -1 beyond the border |
# | `positions` | row and column, for pictures |
#
# `sample` is a function of the keys alone. The same keys give the same mazes, on any machine.
# `improve` is optional: one step of a classical method, which will be a row in the tables.

# %%
WALL, FREE, START = 0, 1, 2
WALLS = {"maze": 0.4, "open": 0.2}


class Flood(ttc_envs.Task):
    """Which cells of a size x size maze can be reached from its start."""

    def __init__(self, size=7):
        self.size = size
        row, column = np.divmod(np.arange(size * size), size)
        beside = [(row + r, column + c) for r, c in ((-1, 0), (1, 0), (0, -1), (0, 1))]
        inside = [(r >= 0) & (r < size) & (c >= 0) & (c < size) for r, c in beside]
        near = [np.where(ok, r * size + c, -1) for ok, (r, c) in zip(inside, beside, strict=True)]
        self.spec = ttc_envs.TaskSpec(
            name="flood",
            levels=tuple(WALLS),
            fields={"cells": ttc_envs.Field("node", "symbol", (size * size,), "int8", 0, 2)},
            num_nodes=size * size,
            num_choices=2,
            choices="class",
            num_edits=2 * size * size,
            neighbours=np.stack(near, axis=1).astype(np.int32),
            positions=np.stack([row, column], axis=1).astype(np.float32),
        )

    def sample(self, keys, level):
        self.level_index(level)  # refuses a level that does not exist
        cells = np.stack([self._maze(int(key), WALLS[level]) for key in keys])
        keys = np.asarray(keys, dtype=np.uint64)
        label = self.solve(ttc_envs.Instances(keys, {"cells": cells}, {}))
        return ttc_envs.Instances(keys, {"cells": cells}, {"answer": label})

    def _maze(self, key, walls):
        random = np.random.default_rng(key)
        cells = np.where(random.random(self.size**2) < walls, WALL, FREE).astype(np.int8)
        cells[random.integers(len(cells))] = START
        return cells

    def improve(self, instances, answer):
        """Reach all free cells beside a cell that is reached."""
        cells, near = instances.fields["cells"], self.spec.neighbours
        beside = (answer[:, near] == 1) & (near >= 0)
        reached = (cells == START) | ((cells == FREE) & ((answer == 1) | beside.any(axis=2)))
        return reached.astype(np.int8)

    def solve(self, instances):
        answer = self.initial_answer(instances)
        while (after := self.improve(instances, answer)).tolist() != answer.tolist():
            answer = after
        return answer


# %% [markdown]
# ## Look at it
#
# Black is wall, white is free, the cross is the start. Blue cells are the ones that an answer
# calls reached.


# %%
def draw(axes, task, cells, answer, title):
    """One maze with an answer."""
    shape = (task.size, task.size)
    picture = np.ones((*shape, 3))
    picture[answer.reshape(shape) == 1] = (0.45, 0.65, 0.95)
    picture[cells.reshape(shape) == WALL] = 0.15
    axes.imshow(picture, interpolation="nearest")
    row, column = divmod(int(np.argmax(cells == START)), task.size)
    axes.plot(column, row, "kx")
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


task = Flood()
mazes = task.sample(np.arange(4, dtype=np.uint64), "maze")
figure, axes = plt.subplots(1, 4, figsize=(8, 2.2), dpi=80)
for row, panel in enumerate(axes):
    solution = mazes.labels["answer"][row]
    draw(panel, task, mazes.fields["cells"][row], solution, f"{solution.sum()} reached")

# %% [markdown]
# ## An environment for free
#
# `register` gives the task an id. Gymnasium then makes environments of it, in which one step is
# one refinement of the whole answer. Gymnasium's own checker finds nothing to complain about. A
# task in a package of its own is registered by name, `register("my/Flood-v0",
# "my_package:Flood")`.

# %%
ttc_envs.register("my/Flood-v0", Flood)
env = gym.make("my/Flood-v0", level="maze")
check_env(env.unwrapped, skip_render_check=True)
observation, info = env.reset(seed=0)
print({name: values.shape for name, values in observation.items()}, env.action_space.shape)
observation, reward, terminated, truncated, info = env.step(env.unwrapped.solution())
print("reward", round(float(reward), 3), "solved", bool(info["solved"]))

# %% [markdown]
# ## Train a shipped model
#
# `relational_network` sends messages between neighbours. Two options suit this task. With
# `positions=False` it does not learn where a cell stands, so it can be used on larger mazes. With
# `aggregation="max"` a cell takes the greatest of its messages: whether *any* neighbour is
# reached.
#
# A training update has 8 refinement steps. States are carried to the next update, so the network
# also sees later steps.

# %%
recipe = ta.Recipe(
    name="flood",
    description="Which cells of a maze can be reached",
    env_id="my/Flood-v0",
    model="relational_network",
    level="maze,open",
    model_options={
        "width": 32,
        "message_layers": 1,
        "node_layers": 1,
        "positions": False,
        "aggregation": "max",
    },
    updates=400,
    optimizer="muon",
    compile="off",
)
trained = ta.train(recipe, "runs/flood", overwrite=True)
print(trained.updates, "updates,", trained.instances, "mazes")

# %% [markdown]
# ## Measure it by steps
#
# `sweep` lets the network refine 300 mazes that it has never seen, for 64 steps each. A maze
# counts as solved if all its cells are right. `improve` is the classical step: it reaches one
# cell further at each step, so it needs as many steps as the longest way has cells.

# %%
steps = [1, 2, 4, 8, 16, 32, 64]
keys = np.random.default_rng(1).integers(2**63, size=300, dtype=np.uint64)
small = ta.sweep(ta.load(trained.checkpoint), task, {"7x7": task.sample(keys, "maze")}, steps)
for row, found in small.to_json()["rows"].items():
    print(f"{row:8}", {step: round(share["solved"], 2) for step, share in found["7x7"].items()})

# %% [markdown]
# ## Larger mazes, the same weights
#
# Mazes of 15x15 cells have ways that are longer than any that the network has seen. No weight
# depends on the number of cells, so `load` can make the network for the larger task.

# %%
large = Flood(size=15)
wide = ta.load(trained.checkpoint, spec=large.spec)
found = ta.sweep(wide, large, {"15x15": large.sample(keys, "maze")}, steps, classical=["improve"])
png = sweep_picture(found.to_json(), title="15x15 mazes, trained on 7x7", trained_steps=8)
Image.open(io.BytesIO(png)).convert("P")

# %% [markdown]
# The shaded part are the steps of one training update. More steps solve more mazes: the answer
# travels from the start through the maze, and long ways need more steps than short ones.
#
# ## Watch one maze
#
# `ta.refine` gives the answer after every step. This is the maze of the 300 with the longest way.

# %%
many = large.sample(keys, "maze")
answer, rounds = large.initial_answer(many), np.zeros(len(keys), dtype=int)
for _ in range(100):
    after = large.improve(many, answer)
    rounds += (after != answer).any(axis=1)
    answer = after
longest = int(rounds.argmax())
one = many[longest : longest + 1]
shown = {1, 4, 8, 16, 32, 64}
figure, axes = plt.subplots(1, len(shown), figsize=(11, 2.2), dpi=80)
panels = iter(axes)
for count, step in enumerate(ta.refine(wide, large, one, 64), start=1):
    if count in shown:
        wrong = int((step.answer != one.labels["answer"]).sum())
        title = f"step {count}: {wrong} wrong"
        draw(next(panels), large, one.fields["cells"][0], step.answer[0], title)
print("rounds of the classical method:", rounds[longest])

# %% [markdown]
# ## Where to go from here
#
# - Put the class into a file `flood.py`, with the call of `register` below it. Then `ttc train
#   --env flood:my/Flood-v0 --model relational_network --out runs/flood` and all other commands
#   know the task.
# - Write your own model: [Your own model](../own_model.md).
# - A task whose rules can judge an answer without the label sets `groups` in its spec, or writes
#   `score`. [The example package](../../examples/latin_square) does the first.
# - [Architecture](../architecture.md#task) lists what else a task may override.
