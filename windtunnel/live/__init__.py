"""What is added to Locust's web UI, and the recording of a test that runs under Locust."""
