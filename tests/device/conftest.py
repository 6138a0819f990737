"""A device for every test: the one that is not there, and CUDA where there is one (`-m gpu`)."""

import importlib.util
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch


def load(name):
    """A module beside this file."""
    path = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"device_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Before any test: PyTorch takes no new kind of device once it has computed a derivative. And once
# it has computed one there, forked processes compute none: `make test` runs this folder alone.
pretend = load("pretend")


class CudaWaits:
    """As `pretend.Waits`, by the warnings of CUDA."""

    @contextmanager
    def counted(self):
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                yield self
            finally:
                torch.cuda.set_sync_debug_mode("default")
        self.last = [str(each.message) for each in noted if "synchroniz" in str(each.message)]
        self.total = len(self.last)


class Device:
    """Where a test runs.

    Args:
        device: As PyTorch names it.
        waits: Counts what the host waits for.
        exact: Whether it computes to the last bit what a CPU computes.
    """

    def __init__(self, device, waits, exact):
        self.device, self._waits, self.exact = device, waits, exact

    @contextmanager
    def at_most(self, count):
        """Fails where what is done inside makes the host wait more often; names the lines.

        Args:
            count: How often it may, or a function that gives it in the end.
        """
        with self._waits.counted() as waits:
            yield
        most = count() if callable(count) else count
        assert waits.total <= most, f"{waits.total} waits, expected {most} at most: {waits.last}"

    def close(self, found, expected, tolerance=1e-4):
        """Whether values of the device are those of a CPU, in float32."""
        rtol = 0.0 if self.exact else tolerance
        torch.testing.assert_close(found.detach().cpu(), expected, rtol=rtol, atol=tolerance)


@pytest.fixture(params=["pretend", pytest.param("cuda", marks=pytest.mark.gpu)])
def there(request):
    """The device of a test."""
    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("there is no CUDA device")
        yield Device(torch.device("cuda"), CudaWaits(), exact=False)
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pretend.present() as device:
        yield Device(device, pretend.waits, exact=True)
    torch.set_num_threads(threads)
