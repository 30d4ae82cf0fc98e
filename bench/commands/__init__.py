"""The commands of `windtunnel`, one noun a file; each imports what it needs when it is called."""
