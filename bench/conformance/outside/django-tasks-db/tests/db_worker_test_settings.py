from bench.conformance.settings import *  # noqa: F403
