"""What is recorded of a test and how it is kept on disk: histograms, CPU time, health, results."""
