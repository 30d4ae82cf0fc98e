"""A scenario of somebody else's application: its requests have any method, path and name."""

from __future__ import annotations

import subprocess
import sys

from tests.windtunnel.served import ROOT
from tests.windtunnel.stalling import stalling

CODE = """
import sys
from locust.env import Environment
from windtunnel import OK, WRONG, StoreUser
from windtunnel.workload.user_pool import UserConfig, UserPool


class Shopper(StoreUser):
    def step(self):
        response = self.client.request("GET", "/cart?customer=7")
        self.report("GET", "show the cart", response, OK if response.status == 200 else WRONG, "")
        return response


environment = Environment(user_classes=[Shopper])
environment.events.request.add_listener(
    lambda request_type, name, exception, **_: print(request_type, name, exception)
)
user_pool = Shopper.user_pool = UserPool(UserConfig(sys.argv[1], "read", 1, 1), {"shop": []}, 1)
user = Shopper(environment)
user.assign(user_pool.join())
user.step()
user.close()
print(*{key.operation for key in user_pool.recorder.take()})
"""


def test_a_request_has_any_method_and_name() -> None:
    with stalling(0.0, 60) as url:
        completed = subprocess.run(
            [sys.executable, "-c", CODE, url],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=ROOT,
            check=False,
        )
    assert completed.stdout.splitlines() == ["GET shop show the cart None", "show the cart"], (
        completed.stderr
    )
