from contextlib import contextmanager

import pytest


@pytest.fixture
def interrupted(monkeypatch):
    """A context in which every training is interrupted after its first update."""
    from ttc_agents.training import train

    class Stopped(train.StopRequest):
        """A request to stop that has come already."""

        requested = True

        def __init__(self):
            self.previous = {}

    @contextmanager
    def context():
        with monkeypatch.context() as patch:
            patch.setattr(train, "StopRequest", Stopped)
            yield

    return context
