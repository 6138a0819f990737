"""Settings that all tests share."""

from hypothesis import settings

# The same examples in each run; no deadline, since machines that run tests are busy.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
