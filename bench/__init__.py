"""Benchmarks: ratios between this project and its peers, measured in one run on one machine. `./run bench jobs`."""
