"""How fast jobs, their start and a tick are, as ratios beside those that were recorded: `./run speed`."""
