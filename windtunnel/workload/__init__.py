"""What is sent and when: mixes, datasets, users, arrivals."""
