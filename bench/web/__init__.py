"""What is added to Locust's web UI, and what a test under `locust -f` leaves on disk."""
