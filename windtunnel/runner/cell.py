"""One cell: a store brought to its starting state, put under load, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from windtunnel.client import client
from windtunnel.errors import CellError
from windtunnel.recording.results import Cell
from windtunnel.recording.sampler import Sampler
from windtunnel.runner.bystander import Bystanders
from windtunnel.runner.cell_order import CellOrder, Event, Measuring, Reset
from windtunnel.runner.starting_state import prepare
from windtunnel.runner.window import Window
from windtunnel.workload.cell_load import CellLoad, ClosedCellLoad, OpenCellLoad
from windtunnel.workload.open_load import Rates
from windtunnel.workload.slow import SLOW, describe_streams
from windtunnel.workload.user import StoreUser
from windtunnel.workload.user_pool import UserPool


def measure(
    order: CellOrder, user_classes: Sequence[type[StoreUser]], notify: Callable[[Event], None]
) -> Cell:
    """Measure a cell; `notify` gets an event when the reset and the measuring begin.

    Raises CellError.
    """
    streams = [kind.stream for kind in user_classes]
    rates = rates_of(order, streams) if order.rate is not None or streams != [""] else {}
    notify(Reset())
    if short := client.raise_limit(order.connections):
        raise CellError(short)
    user_pool = prepare(order, rates)
    for user_class in user_classes:
        user_class.user_pool = user_pool
    if order.sample and order.folder is not None:
        user_pool.sampler = Sampler(order.sample, order.seed)
    bystanders = _bystanders(order)
    load = begin(order, user_classes, user_pool, rates)
    try:
        bystanders.run()
        load.wait(order.warmup)
        notify(Measuring())
        window = Window(order, template(order, rates), user_pool, load, bystanders)
        try:
            window.open(order.duration)
            cell = window.close(order.timeout)
        except BaseException:
            window.abort()
            raise
    finally:
        bystanders.close()
        load.stop(order.timeout)
    health = {**cell.health, "population": user_pool.config.population}
    return msgspec.structs.replace(cell, health=health)


def template(order: CellOrder, rates: Rates) -> Cell:
    """Return the cell of an order before anything is measured: its conditions and streams."""
    return Cell(
        **msgspec.structs.asdict(order.conditions),
        process=order.process,
        seconds=0.0,
        throughput_rps=0.0,
        streams=describe_streams(rates, order.mix or "", order.work, order.summary_store),
    )


def rates_of(order: CellOrder, streams: Iterable[str]) -> Rates:
    """Return the rate of each stream; raises CellError where several have none."""
    rates = {name: order.slow_rate if name == SLOW else order.rate for name in streams}
    lacking = [name for name, rate in rates.items() if rate is None]
    if lacking:
        raise CellError(f"no rate is given for {', '.join(lacking)}: {order.scenario} needs one")
    return {name: rate for name, rate in rates.items() if rate is not None}


def begin(
    order: CellOrder, user_classes: Sequence[type[StoreUser]], user_pool: UserPool, rates: Rates
) -> CellLoad:
    """Start the load."""
    if not rates:
        return ClosedCellLoad(user_classes[0], user_pool, order.users or 0)
    return OpenCellLoad(user_classes, user_pool, rates, order.arrivals, order.max_in_flight)


def _bystanders(order: CellOrder) -> Bystanders:
    rates = {} if order.loaded_rate is None else {order.target: order.loaded_rate}
    try:
        return Bystanders(order.bystanders, order.bystander_rate, order.timeout, rates)
    except (OSError, ValueError) as error:
        raise CellError(f"no bystander: {error}") from error
