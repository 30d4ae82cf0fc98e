"""Samples taken through a real nginx, joined with what its log says of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginx.apply import Nginx
from nginx.render import ACCESS_LOG
from windtunnel.client.address import Address
from windtunnel.client.client import Client
from windtunnel.client.deadlines import Deadlines
from windtunnel.recording.nginx_log import RESOLVED_US, AccessLog, upstream_times, with_nginx
from windtunnel.recording.run_folder import RunFolder
from windtunnel.recording.sampler import RequestSample
from windtunnel.recording.series import SAMPLES_FILE, SampledRequest, samples

STORE = "memory/blocking/volatile"
SUMMARY = f"/{STORE}/summary"
ROWS = 200_000


def sampled(client: Client, path: str, count: int) -> list[SampledRequest]:
    answers = [client.request("GET", path) for _ in range(count)]
    assert all(answer.status == 200 for answer in answers)
    samples = (
        RequestSample(STORE, "summary", a, a.service_us, a.service_us + 100) for a in answers
    )
    return [msgspec.structs.replace(one.as_line(), processes=2) for one in samples]


def total(parts_us: Mapping[str, float | None]) -> float:
    return float(sum(part for part in parts_us.values() if part is not None))


def test_the_log_tells_nginx_and_loop_apart(nginx: Nginx, tmp_path: Path) -> None:
    client = Client(Address(f"http://127.0.0.1:{nginx.port}"), Deadlines(60))
    assert client.request("PUT", SUMMARY, b'{"size":%d}' % ROWS).status == 200
    tail = AccessLog(nginx.folder / ACCESS_LOG)
    before = sampled(client, SUMMARY, 5)
    client.request("PUT", SUMMARY, b'{"size":0}')
    client.close()
    RunFolder(tmp_path).append_samples(before)
    with (tmp_path / SAMPLES_FILE).open("ab") as file:
        file.write(b'{"store": "mem')  # the generator was killed

    assert tail.join(tmp_path) == 5
    after = list(samples(tmp_path, []))
    for one, other in zip(before, after, strict=True):
        assert one.parts_us["nginx"] is None
        assert one.service_us >= RESOLVED_US
        assert (other.parts_us["nginx"] or 0) >= 0
        assert total(other.parts_us) == pytest.approx(total(one.parts_us), abs=0.2)
        assert other.request_id == one.request_id


def line(id_: str, upstream: str) -> bytes:
    return msgspec.json.encode({"request_id": id_, "upstream_response": upstream}) + b"\n"


def test_only_what_is_certain_is_taken_from_the_log() -> None:
    lines = [
        line("a", "0.012"),
        line("b", "0.001, 0.002"),  # it went to two processes
        line("c", "-"),  # it went to none
        line("d", "0.003"),
        line("d", "0.004"),  # another client gave the same id
        line("e", "0.005"),  # nobody asked
        line("f", "0.006")[:20],  # cut
    ]
    assert upstream_times(lines, frozenset("abcdf")) == {"a": 12_000.0}


AMOUNT = st.floats(0, 1e7)


@given(AMOUNT, AMOUNT, AMOUNT, AMOUNT, AMOUNT, AMOUNT)
def test_parts_add_up_whatever_nginx_says(
    generator: float, loop: float, wait: float, driver: float, handler: float, upstream: float
) -> None:
    parts: dict[str, float | None] = {"nginx": None, "generator": generator, "loop": loop}
    parts |= {"wait": wait, "driver": driver, "handler": handler}
    sample: dict[str, Any] = {"service_us": loop + wait + driver + handler, "parts_us": parts}
    joined = with_nginx(sample, upstream)
    assert total(joined["parts_us"]) == pytest.approx(total(parts), abs=0.2)
    assert all(part is None or part >= 0 for part in joined["parts_us"].values())
    assert (joined["parts_us"]["nginx"] is None) == (sample["service_us"] < RESOLVED_US)
