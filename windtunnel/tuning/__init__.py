"""Which split is best: the simulation, the tuner, the planner."""
