"""The split: from split.toml, which people edit, to an active configuration of nginx."""
