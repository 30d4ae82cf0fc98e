"""Properties are about values: how long an example takes on a busy machine says nothing."""

import os

from hypothesis import settings

os.environ["WINDTUNNEL_RESULTS"] = ""  # a test that wants a run on disk says where

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
