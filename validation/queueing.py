"""Queueing theory where it is exact: what the simulation is checked against.

`load` is the arrival rate times the service time, a rate is requests a second, a time is seconds.
Sources: Erlang, "Solution of some problems in the theory of probabilities of significance in
automatic telephone exchanges", 1917 (M/M/c); Pollaczek and Khinchine's mean of M/G/1; Erlang's
series for M/D/1 as in Kleinrock, Queueing Systems I, 1975, and Tijms, A First Course in Stochastic
Models, 2003, 9.6.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction


class TheoryError(ValueError):
    """There is no steady state: more arrives than can be served."""


def md1_mean_wait(rate: float, service: float) -> float:
    """Mean time in the queue of M/D/1."""
    load = _stable(rate * service)
    return load * service / (2 * (1 - load))


def md1_wait_below(time: float, rate: float, service: float) -> float:
    """The share of M/D/1's requests that wait at most `time`: Erlang's series.

    Its terms alternate and grow, so it is summed in fractions.
    """
    load = _stable(rate * service)
    if time < 0:
        return 0.0
    steps = math.floor(time / service)
    exact = Fraction(rate)
    total = Fraction(0)
    for k in range(steps + 1):
        reach = exact * (k * Fraction(service) - Fraction(time))
        total += reach**k / math.factorial(k) * Fraction(_exp(-reach))
    return float((1 - Fraction(load)) * total)


def md1_wait(share: float, rate: float, service: float) -> float:
    """The time that so large a share of M/D/1's requests waits at most."""
    return _inverse(lambda time: md1_wait_below(time, rate, service), share, service)


def mmc_wait_at_all(rate: float, service: float, servers: int) -> float:
    """The share of M/M/c's requests that wait at all: Erlang's C."""
    offered = rate * service
    load = _stable(offered / servers)
    last = offered**servers / math.factorial(servers) / (1 - load)
    return last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)


def mmc_mean_wait(rate: float, service: float, servers: int) -> float:
    """Mean time in the queue of M/M/c."""
    return mmc_wait_at_all(rate, service, servers) / (servers / service - rate)


def mmc_wait(share: float, rate: float, service: float, servers: int) -> float:
    """The time that so large a share of M/M/c's requests waits at most."""
    waits = mmc_wait_at_all(rate, service, servers)
    return max(0.0, math.log(waits / (1 - share)) / (servers / service - rate))


def _stable(load: float) -> float:
    if not 0 <= load < 1:
        raise TheoryError(f"a load of {load:g} has no steady state: it has to be below 1")
    return load


def _exp(exponent: Fraction) -> Fraction:
    """The exponential to 50 digits, as the series cancels most of a float's."""
    with localcontext() as context:
        context.prec = 50
        ratio = Decimal(exponent.numerator) / Decimal(exponent.denominator)
        return Fraction(ratio.exp())


def _inverse(below: Callable[[float], float], share: float, step: float) -> float:
    if below(0.0) >= share:
        return 0.0
    high = step
    while below(high) < share:
        high *= 2
    low = 0.0
    while high - low > 1e-6 * step:
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < share else (low, middle)
    return high
