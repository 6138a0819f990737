"""Traces are what the environments do: replayed, they give the same again."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from ttc_agents.evaluation.datasets import dataset_name, made_as
from ttc_agents.evaluation.traces import BATCH_SIZE, actor_of, record
from ttc_agents.inference.checkpoint import load_task
from ttc_agents.inference.policy import BeamPolicy
from ttc_agents.policies.loading import Agent, load_agent
from ttc_envs import make_task, registered

IDS = [name for name in registered() if name.startswith("ttc/")]


def played(source, env_id, mode, steps, count=3, whole_budget=False, task=None):
    """The traces, and the specification of the environment that they are of."""
    task = task or make_task(env_id)
    agent = load_agent(source, task, default_mode=mode)
    options = {"level": task.spec.levels[0], "action_mode": mode}
    actor = actor_of(source, agent, task, mode)
    batches = record(actor, task, count, steps, seed=5, whole_budget=whole_budget, **options)
    ends = {"terminate_on_solved": not whole_budget, "max_episode_steps": steps}
    return [trace for batch in batches for trace in batch], made_as(env_id, **options, **ends)


def assert_replays(trace, env):
    """The environment does again what the trace tells."""
    observation, info = env.reset(seed=trace.seed)
    for step, action in enumerate(trace.actions):
        assert same(observation, trace.observations, step)
        assert same(info, trace.infos, step)
        observation, reward, terminated, truncated, info = env.step(action)
        assert reward == trace.rewards[step]
        assert terminated == trace.terminations[step]
        if truncated:
            assert trace.truncations[step]
    assert same(observation, trace.observations, len(trace.actions))
    assert same(info, trace.infos, len(trace.actions))


def same(now, told, step):
    return now.keys() == told.keys() and all(
        np.array_equal(values, told[name][step]) for name, values in now.items()
    )


@pytest.mark.parametrize("source", ["random", "improve", "solve"])
@pytest.mark.parametrize("mode", ["full", "edit"])
@pytest.mark.parametrize("env_id", IDS)
def test_every_trace_replays(env_id, mode, source):
    traces, spec = played(source, env_id, mode, 12)
    assert [trace.seed for trace in traces] == [5, 6, 7]
    env = gym.make(spec)
    for trace in traces:
        assert_replays(trace, env)
        assert 1 <= len(trace.actions) <= 12
        assert trace.actions.dtype == env.action_space.dtype
        assert not (trace.terminations | trace.truncations)[:-1].any()
        assert trace.terminations[-1] or trace.truncations[-1]
        assert trace.terminations[-1] == trace.solved


@pytest.mark.parametrize("env_id", IDS)
def test_the_exact_solver_solves_by_edits(env_id):
    task = make_task(env_id)
    traces, _ = played("solve", env_id, "edit", 4 * task.spec.num_nodes, task=task)
    assert all(trace.solved for trace in traces)


def test_failures_are_kept_and_end_by_truncation():
    traces, _ = played("random", "ttc/Sudoku4-v0", "full", 3, count=8)
    lost = [trace for trace in traces if not trace.solved]
    assert lost
    assert all(len(t.actions) == 3 and t.truncations[-1] and not t.terminations[-1] for t in lost)


@pytest.mark.parametrize("mode", ["full", "edit"])
def test_a_network_is_traced(mode):
    task = load_task("sudoku-cpu", "train")
    traces, spec = played("sudoku-cpu", "ttc/Sudoku-v0", mode, 81, task=task)
    env = gym.make(spec, split="train")
    for trace in traces:
        assert_replays(trace, env)
    assert all(trace.solved for trace in traces)  # easy puzzles


def test_an_editor_leaves_alone_what_its_source_does_not_say():
    task = make_task("ttc/Sudoku-v0")
    (trace,), _ = played("improve", "ttc/Sudoku-v0", "edit", 324, count=1, task=task)
    instance = task.sample(trace.infos["instance_id"][:1], task.spec.levels[0])
    answer = before = task.initial_answer(instance)
    while True:
        before, answer = answer, task.improve(instance, answer)
        if np.array_equal(before, answer):
            break
    assert np.array_equal(trace.observations["answer"][-1], answer[0])


def test_an_answer_that_edits_cannot_reach_is_passed_over():
    task = make_task("ttc/Sorting-v0")

    class Twice:
        """Says that one item stands everywhere, and then the right order."""

        def __call__(self, instances):
            yield np.zeros_like(task.initial_answer(instances))
            yield task.solve(instances)

    agent = load_agent("solve", task)
    agent.policy.method = Twice()
    actor = actor_of("twice", agent, task, "edit")
    (batch,) = record(actor, task, 2, 64, action_mode="edit")
    assert all(trace.solved for trace in batch)


def test_the_whole_budget_goes_on_after_the_solution():
    traces, spec = played("solve", "ttc/Sudoku4-v0", "full", 4, whole_budget=True)
    for trace in traces:
        assert len(trace.actions) == 4
        assert trace.truncations[-1]
        assert not trace.terminations.any()
        assert_replays(trace, gym.make(spec))


def test_batches_go_on_with_the_seeds():
    task = make_task("ttc/Sudoku4-v0")
    actor = actor_of("solve", load_agent("solve", task), task, "full")
    batches = list(record(actor, task, BATCH_SIZE + 2, 2, seed=1))
    assert [len(batch) for batch in batches] == [BATCH_SIZE, 2]
    assert batches[1][0].seed == BATCH_SIZE + 1
    assert_replays(batches[1][1], gym.make("ttc/Sudoku4-v0", max_episode_steps=2))


def test_what_writes_whole_answers_only_is_refused():
    class Model(torch.nn.Module):
        autoregressive = True

    agent = Agent(BeamPolicy(Model()))
    with pytest.raises(ValueError, match="beam plays in mode 'full', got 'edit'"):
        actor_of("beam", agent, make_task("ttc/Sudoku4-v0"), "edit")


def test_names_of_datasets_hold_what_minari_allows():
    words = ("givens=17..30", "hf://owner/a.b@v1", "full")
    assert dataset_name("ttc/X-v0", words, 2) == "ttc/X-v0/givens-17-30-hf-owner-a-b-v1-full-v2"
