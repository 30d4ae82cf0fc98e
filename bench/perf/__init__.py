"""`make perf`: what the parts cost in CPU time, measured in pairs, each with its limit."""
