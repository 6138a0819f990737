"""Settings that all tests share."""

from hypothesis import settings

# The same examples in each run, and no deadline: machines that run tests are busy with other things.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
