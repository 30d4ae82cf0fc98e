"""The model of nginx before pools of processes: a simulation, and the theory that checks it."""
