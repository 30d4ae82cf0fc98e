"""What scenarios share: from a request to a trusted answer."""
