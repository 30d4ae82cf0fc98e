"""Runs: plan, targets, generator, cells, rounds."""
