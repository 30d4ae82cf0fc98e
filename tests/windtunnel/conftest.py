"""Where runs go on disk in these tests: nowhere."""

import os

os.environ["WINDTUNNEL_RESULTS"] = ""  # a test that wants a run on disk says where
