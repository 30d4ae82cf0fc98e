"""doctor: what can run here, and what would have to change for the rest."""

from __future__ import annotations

from bench.commands.saying import say, table


def doctor() -> None:
    """Say what can run here, and what mends the rest."""
    from deploy import doctor as facts

    table(("machine", ""), facts.machine())
    found = facts.inventory()
    say("")
    table(("program", "version", "from, or what is wrong"), facts.program_rows(found))
    say("")
    table(("engine", "can run", "driver, or what is wrong"), facts.engine_rows(found))
