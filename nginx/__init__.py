"""The split: from split.toml, which people edit, to a configuration of nginx in force."""
