"""An update: it learns, leaves out what is not finite, and looks at free nodes alone."""

import dataclasses

import numpy as np
import pytest
import torch

from ttc_agents.models import RefinementModel
from ttc_agents.models.base import Trace
from ttc_agents.models.conformance import shaken
from ttc_agents.training import engine
from ttc_agents.training.loop import run
from ttc_agents.training.objectives.metrics import solver_metrics
from ttc_agents.training.optimizer import Update
from ttc_agents.training.recipes import RECIPES
from ttc_agents.training.update import MAX_SKIPPED
from ttc_envs import make_task


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_every_recipe_updates(begun, recipe):
    # Two instances of the easiest level may leave nothing to be learnt.
    size = 8 if recipe.target == "search" else 2
    small = {"batch_size": size, "segment_steps": 2, "precision": "float32", "compile": "off"}
    training = begun(recipe, **small)
    before = [p.clone() for p in training.learning.parameters]
    metrics = training.update(0.0)
    assert torch.isfinite(metrics["loss"])
    after = training.learning.parameters
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    searched = training.spent.env_steps - 2 * size
    assert (training.updates, searched > 0) == (1, recipe.target == "search")


@pytest.mark.parametrize("target", ["solution", "improve"])
def test_a_reader_is_trained_towards_its_target(begun, kinds, target):
    changes = {"target": target, "updates": 40, "batch_size": 32, "matrix_learning_rate": 0.02}
    changes["seed"] = 1
    training = begun(kinds["reader"], **changes)
    losses = [float(training.update(k / 40)["loss"]) for k in range(40)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_only_readers_can_imitate(begun, tiny):
    with pytest.raises(ValueError, match="models that read the answer; factor_graph_network does"):
        begun(tiny, target="improve")


def test_only_autoregressive_models_are_forced(begun, tiny):
    with pytest.raises(ValueError, match="autoregressive models, not factor_graph_network"):
        begun(tiny, forcing=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_options": {"depth": 3}}, "factor_graph_network with .*'depth'"),
        ({"model": "equilibrium", "model_options": {}}, "equilibrium with {}: .*'inner'"),
        ({"model": "equilibrium", "model_options": {"inner": {}}}, "equilibrium with .*'model'"),
    ],
)
def test_options_that_the_model_does_not_take_are_refused(begun, tiny, changes, message):
    with pytest.raises(ValueError, match=message):
        begun(tiny, **changes)


# Pieces of an update


def one_update(begun, recipe, **changes):
    """The training after an update of five steps without clipping, and its gradient before."""
    training = begun(recipe, segment_steps=5, clip=1e9, **changes)
    shaken(training.model, 0)
    gradient = []
    take = training.learning.take

    def seen(rate):
        gradient.extend(p.grad.clone() for p in training.learning.parameters)
        take(rate)

    training.learning.take = seen
    metrics = training.update(0.0)
    return training, gradient, metrics


def test_an_energy_learns_from_pieces_what_it_learns_from_the_whole(begun, kinds):
    whole, expected, metrics = one_update(begun, kinds["energy"], backward_every=None)
    assert all(gradient.abs().max() > 0 for gradient in expected)
    for size in (1, 2, 9):
        parts, found, same = one_update(begun, kinds["energy"], backward_every=size)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(same["loss"], metrics["loss"])
        torch.testing.assert_close(parts.carried.state, whole.carried.state)
        assert (parts.carried.age == 5).all()
        assert parts.spent.env_steps == whole.spent.env_steps


def test_no_gradient_passes_from_a_piece_to_the_next(begun, tiny):
    """Those of a piece are those of an update that begins where the piece begins."""
    _, found, _ = one_update(begun, tiny, backward_every=3)
    training = begun(tiny)
    model, carried = shaken(training.model, 0), training.carried
    training.begin()
    carried.refill(model)
    free = carried.batch["givens"] < 0
    state, expected = carried.state, 0.0
    for steps in (3, 2):
        trace = model(carried.batch, steps, state)
        state = trace.state.detach()
        expected += steps / 5 * training.learning.objective(trace, carried.labels, free)
    expected = torch.autograd.grad(expected, training.learning.parameters)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)
    whole = one_update(begun, tiny)[1]
    assert any((a - b).abs().max() > 1e-4 for a, b in zip(found, whole, strict=True))


def test_a_reader_moves_its_answer_on_between_pieces(begun, kinds):
    whole, _, _ = one_update(begun, kinds["reader"])
    parts, _, _ = one_update(begun, kinds["reader"], backward_every=2)
    assert np.array_equal(parts.carried.answers.answer, whole.carried.answers.answer)
    torch.testing.assert_close(parts.carried.state, whole.carried.state)


def test_what_is_forced_has_no_pieces(begun, kinds):
    with pytest.raises(ValueError, match="backward_every must be none"):
        begun(kinds["forced"], backward_every=1)


# What is learnt


def test_frozen_parameters_take_no_part(begun, tiny):
    training = begun(tiny)
    prefix = training.learning.names[0].split(".")[0]
    training = begun(tiny, frozen=prefix)
    kept = {n: p.clone() for n, p in training.model.named_parameters() if n.startswith(prefix)}
    assert kept
    assert not any(name.startswith(prefix) for name in training.learning.names)
    run(training, tiny.length)
    for name, parameter in training.model.named_parameters():
        assert parameter.requires_grad == (name not in kept)
        if name in kept:
            assert torch.equal(parameter, kept[name])


def test_the_averaged_weights_follow_the_others(begun, tiny):
    training = begun(tiny, ema=0.5)
    expected = [p.detach().clone() for p in training.learning.parameters]
    for k in range(6):
        training.update(k / 6)
        # Of the first updates the window is shorter: 2 of 11, 3 of 12, ...
        decay = min(0.5, (k + 2) / (k + 11))
        for mean, p in zip(expected, training.learning.parameters, strict=True):
            mean.lerp_(p.detach(), 1 - decay)
    for mean, average in zip(expected, training.learning.average, strict=True):
        torch.testing.assert_close(mean, average)
    model = training.averaged_model()
    assert not model.training
    weights = training.learning.averaged_weights()
    assert all(torch.equal(values, weights[name]) for name, values in model.state_dict().items())
    name = training.learning.names[0]
    assert not torch.equal(weights[name], training.model.state_dict()[name])


def test_a_saved_state_is_not_written_into(begun, tiny):
    training = begun(tiny)
    training.update(0.0)
    saved = {
        name: value.clone() if isinstance(value, torch.Tensor) else value
        for name, value in training.learning.model.state_dict().items()
    }
    whole = training.learning.state_dict()
    optimizer = whole["optimizer"][0]["state"][0]["exp_avg"]
    before = optimizer.clone()
    other = begun(tiny)
    other.learning.load_state_dict(whole)
    other.update(0.0)
    assert torch.equal(optimizer, before)
    for name, values in training.model.state_dict().items():
        assert torch.equal(values, saved[name])


def test_a_roll_back_returns_the_weights_and_halves_the_rate(begun, tiny):
    training = begun(tiny, warmup=0)
    training.update(0.0)
    saved = training.learning.state_dict()
    kept = {n: v.clone() for n, v in saved["model"].items()}
    frozen = {**saved, "model": kept, "average": [a.clone() for a in saved["average"]]}
    training.update(0.0)
    assert training.rate(0.0) == 1
    training.roll_back(frozen)
    assert training.rate(0.0) == 0.5
    assert training.carried.state.isnan().all()
    assert all(torch.equal(v, kept[n]) for n, v in training.model.state_dict().items())
    assert training.config()["rollbacks"] == 1
    drawn = training.carried.drawn
    training.update(0.0)
    assert training.carried.drawn == drawn + training.recipe.batch_size


def test_weights_of_the_same_names_and_shapes_are_taken_over(begun, tiny, tmp_path):
    from ttc_agents.inference import checkpoint

    first = begun(tiny, seed=5)
    weights = first.learning.averaged_weights()
    checkpoint.save_model(tmp_path, weights, first.task.spec, first.config())
    wider = begun(tiny, model_options={**tiny.model_options, "hidden_width": 12})
    before = {n: v.clone() for n, v in wider.model.state_dict().items()}
    wider.take_over(tmp_path)
    same = [n for n, v in before.items() if weights[n].shape == v.shape]
    assert 0 < len(same) < len(before)
    for name, values in wider.model.state_dict().items():
        assert torch.equal(values, weights[name] if name in same else before[name]), name
    for name, average in zip(wider.learning.names, wider.learning.average, strict=True):
        assert torch.equal(average, wider.model.state_dict()[name])


# Gradients that are not finite


def test_a_gradient_that_is_not_finite_moves_nothing_and_draws_the_batch_anew(
    begun, tiny, monkeypatch
):
    training = begun(tiny)
    training.update(0.0)
    before = [p.detach().clone() for p in training.learning.parameters]
    seen = training.carried.batch["givens"].clone()
    objective = training.learning.objective
    monkeypatch.setattr(training.learning, "objective", lambda *args: objective(*args) * torch.inf)
    training.update(0.0)
    assert (training.updates, training.skipped) == (1, 1)
    for one, other in zip(before, training.learning.parameters, strict=True):
        assert torch.equal(one, other)
    monkeypatch.setattr(training.learning, "objective", objective)
    training.update(0.0)
    assert (training.updates, training.skipped) == (2, 0)
    assert (training.carried.age == tiny.segment_steps).all()
    assert not torch.equal(training.carried.batch["givens"], seen)


def test_many_of_them_in_a_row_end_the_training(begun, tiny):
    training = begun(tiny, learning_rate=float("inf"))
    training.update(0.0)
    with pytest.raises(FloatingPointError, match=rf"{MAX_SKIPPED} gradients in a row .*update 1\)"):
        run(training, tiny.length)


# What counts as solved


class GivensWrong(RefinementModel):
    """Says the right digit at every free cell and a wrong one at every given cell."""

    wrong_free = 0

    def __init__(self, spec):
        super().__init__(spec)
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.task = make_task("ttc/Sudoku4-v0")

    @classmethod
    def supports(cls, spec):
        return None

    def encode(self, batch):
        givens = batch["givens"]
        instances = self.task.from_fields({"givens": givens.numpy().astype(np.int8)})
        right = torch.from_numpy(instances.labels["answer"]).long()
        said = torch.where(givens < 0, right, (right + 1) % 4)
        for row in range(min(self.wrong_free, len(said))):
            cell = int((givens[row] < 0).nonzero()[0])
            said[row, cell] = (said[row, cell] + 1) % 4
        return {"said": said}

    def initial_state(self, context, generator=None):
        return torch.zeros(len(context["said"]), 1)

    def step(self, context, z):
        return z + 1

    def readout(self, context, z):
        return self.scale * torch.nn.functional.one_hot(context["said"], 4).float()


@pytest.mark.parametrize(("wrong", "share"), [(0, 1.0), (1, 0.75), (4, 0.0)])
def test_solved_counts_the_free_nodes_alone(begun, tiny, module, monkeypatch, wrong, share):
    name = module("givens_wrong", "")
    import givens_wrong

    givens_wrong.Model = GivensWrong
    monkeypatch.setattr(GivensWrong, "wrong_free", wrong)
    training = begun(tiny, model=f"{name}:Model", model_options={}, level="givens=8")
    assert float(training.update(0.0)["solved"]) == share


# What users bring


def test_an_objective_of_the_users(begun, tiny, module):
    name = module(
        "my_loss",
        "from ttc_agents.training.objectives import cross_entropy\n"
        "def tripled(trace, labels, free):\n"
        "    return 3 * cross_entropy(trace, labels, free)\n",
    )
    ours, theirs = (begun(tiny, objective=o) for o in ("cross_entropy", f"{name}:tripled"))
    loss = ours.update(0.0)["loss"]
    torch.testing.assert_close(theirs.update(0.0)["loss"], 3 * loss)
    with pytest.raises(ValueError, match="did you mean"):
        begun(tiny, objective="nothing")


# Engine


def test_the_engine_is_chosen_once_at_first_use(begun, tiny, monkeypatch):
    calls = []
    choose = engine.choose_engine
    monkeypatch.setattr(
        "ttc_agents.training.update.choose_engine",
        lambda *args: calls.append(args) or choose(*args),
    )
    training = begun(tiny)
    assert calls == []
    training.update(0.0)
    training.update(0.1)
    assert len(calls) == 1


def test_teacher_forcing_may_leave_the_number_format_open(begun, kinds):
    # What is timed goes the way that is trained: without the right answer there is nothing to run.
    lines = []
    training = begun(kinds["forced"], precision="auto")
    training._say = lines.append
    metrics = training.update(0.0)
    assert torch.isfinite(metrics["loss"])
    assert "float32, eager, 1 thread: " in lines[-1]
    assert lines[-1].endswith(" ms per step)")


# Solvers


def test_what_a_solve_reports_is_in_the_metrics(begun, kinds):
    metrics = begun(kinds["equilibrium"]).update(0.0)
    assert {"residual", "converged", "settled", "backward_residual", "discarded"} <= set(metrics)
    assert solver_metrics(Trace(torch.zeros(1), torch.zeros(1))) == {}


def test_rows_whose_backward_fails_are_left_out(begun, kinds):
    recipe = kinds["equilibrium"]
    options = {**recipe.model_options, "discard_above": 0.0, "backward_tol": 0.0}
    training = begun(recipe, model_options=options, level="minimal")
    training.update(0.0)
    assert training.update(0.1)["discarded"] == 1


def test_an_update_needs_no_training_around_it(begun, tiny):
    # What `Training` does with a batch, on a trace of one's own.
    model = begun(tiny).model
    learning = Update(model, dataclasses.replace(tiny, objective="cross_entropy"))
    labels = {"answer": torch.zeros(2, model.spec.num_nodes).long()}
    task = make_task(tiny.env_id)
    fields = task.sample(np.arange(2, dtype=np.uint64), "minimal").fields
    batch = {name: torch.from_numpy(v).long() for name, v in fields.items()}
    losses = []
    for _ in range(8):
        loss = learning.differentiate(model(batch, 2), labels, None)
        assert torch.isfinite(learning.clipped())
        learning.take(1.0)
        losses.append(float(loss))
    assert losses[-1] < losses[0]
    assert learning.taken == 8
