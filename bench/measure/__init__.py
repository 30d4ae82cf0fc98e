"""What measures: latencies, samples, CPU time, the health of generator and host."""
