"""Where the database of a store is: at the environment's address, or at this project's own."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from server.addresses import AddressError
from server.api.enums import Durability
from server.engines.base import Engine, Service
from server.settings import Settings, address_key, variable_of


def address_of(service: Service | None, durability: Durability, settings: Settings) -> str:
    """Return the address of a service for a durability; '' for an engine without a service.

    Raises AddressError, which names the environment's variable.
    """
    if service is None:
        return ""
    key = settings.address_key(service.name, durability)
    if key is None:
        return service.default(durability)
    try:
        return service.read_address(settings.addresses[key])
    except AddressError as error:
        raise AddressError(f"{variable_of(key)}: {error}") from None


def check_addresses(engines: Iterable[type[Engine]], settings: Settings) -> None:
    """Raise AddressError for an address in the environment that an engine could not be opened at.

    So is one whose variable is nearly that of a database, and would be ignored; where
    `settings.engines` names a folder of a person's own, `engines` has to have those too.
    """
    keys = _read_addresses(engines, settings)
    for key in settings.addresses:
        near = [] if key in keys else difflib.get_close_matches(key, sorted(keys), 1, 0.8)
        if near:
            raise AddressError(
                f"{variable_of(key)}: no database has this variable; "
                f"did you mean {variable_of(near[0])}?"
            )


def check_known_addresses(engines: Iterable[type[Engine]], settings: Settings) -> None:
    """As `check_addresses`, but for variables that none of `engines` has: others may have them."""
    _read_addresses(engines, settings)


def _read_addresses(engines: Iterable[type[Engine]], settings: Settings) -> set[str]:
    """Read the addresses of `engines` and return the keys that they may have."""
    keys: set[str] = set()
    for engine in engines:
        if engine.service is None:
            continue
        name = address_key(engine.service.name)
        for durability in engine.durabilities:
            address_of(engine.service, durability, settings)
            keys |= {name, f"{name}_{durability.upper()}"}
    return keys
