"""Which division of the processes is best: from what was measured, and by the model."""
