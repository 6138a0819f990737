import pytest
import torch

from ttc_agents.evaluation import sweep
from ttc_agents.inference.precision import full_float32


def reduced():
    """What torch allows beside full float32 in matrix products, on a GPU and on a CPU."""
    backends = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)
    return [b.fp32_precision for b in backends if b.fp32_precision in ("tf32", "bf16")]


def test_reduced_precision_is_off_inside_and_back_afterwards(scripted):
    model = scripted().train()
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        assert len(reduced()) == 2
        with full_float32(model):
            assert not reduced()
            assert not model.training
            assert torch.is_inference_mode_enabled()
        assert len(reduced()) == 2
        assert model.training
        with pytest.raises(KeyError), full_float32(model):
            raise KeyError
        assert len(reduced()) == 2
    finally:
        torch.set_float32_matmul_precision(before)


def test_an_autocast_around_it_has_no_effect(scripted):
    with torch.autocast("cpu", torch.bfloat16):
        with full_float32(scripted()):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


def test_sweeps_refine_in_float32_within_a_callers_autocast(task, scripted):
    model = scripted()
    seen = []
    model.step = lambda context, z: seen.append((z @ torch.ones(1, 1)).dtype) or z + 1
    puzzles = task.sample([1, 2, 3], "easy")
    with torch.autocast("cpu", torch.bfloat16):
        sweep(model, task, {"all": puzzles}, (2,), classical=(), batch_size=2)
    assert set(seen) == {torch.float32}


def test_a_model_in_half_precision_is_refused(scripted):
    with (
        pytest.raises(ValueError, match=r"scale is torch\.bfloat16"),
        full_float32(scripted().bfloat16()),
    ):
        pass
