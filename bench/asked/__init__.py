"""What is asked of a run: stores, mixes, loads, slow work, targets."""
