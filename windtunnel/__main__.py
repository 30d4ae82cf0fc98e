"""`python -m windtunnel`: the command, as `windtunnel`."""

from windtunnel.cli.main import main

main()
