"""Runs: scenario x stores x rounds, on a stack or a server of one's own."""
