"""Starting, watching and stopping the databases, the Tornado processes and nginx."""
