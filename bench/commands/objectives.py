"""Objectives that cannot be judged by what was asked for: refused before anything is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands.saying import UsageError

if TYPE_CHECKING:
    from bench.asked.request import Request


def check(request: Request) -> None:
    """Raise UsageError for an objective on what the run will not have."""
    from bench.figures.slo import parse
    from bench.figures.summary import RESPONSE

    operations = asked(request)
    for text in request.slos:
        slo = parse(text)
        if slo.latency == RESPONSE and not request.rates:
            raise UsageError(f"--slo {text!r}: closed load has no response time: give a --rate")
        if slo.measure == "regression" and not compares(request):
            raise UsageError(
                f"--slo {text!r}: a regression takes two variants: give --against URL, "
                "or --split twice"
            )
        if slo.operation is not None and slo.operation not in operations:
            mixes = ", ".join(request.mixes)
            raise UsageError(
                f"--slo {text!r}: nothing here asks for {slo.operation} (--mix {mixes}): "
                f"give a --mix that has it, as --mix {slo.operation}"
            )


def asked(request: Request) -> set[str]:
    """Return the operations that a run sends."""
    from bench.asked.mixes import MIXES

    mixed = {str(name) for mix in request.mixes for name in MIXES[mix]}
    return mixed | {str(slow.work.kind.value) for slow in request.slow}


def compares(request: Request) -> bool:
    """Whether a run has two variants; those of wsgi are more, and the report ranks them."""
    return bool(request.against) or len(request.splits) == 2
