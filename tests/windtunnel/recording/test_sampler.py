from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.client.response import OK, Response
from windtunnel.recording.sampler import RequestSample, Sampler

TIMING = b"Server-Timing: handler;dur=2.000, wait;dur=0.500, driver;dur=1.250\r\n"


def sample(
    number: float = 0, fields: bytes = TIMING, response_us: float | None = None
) -> RequestSample:
    raw = b"HTTP/1.1 200 OK\r\nX-Request-Id: a-1\r\n" + fields + b"\r\n"
    return RequestSample(
        "s", "read", Response(OK, 200, raw, b"", 0.0, 0.0), 3000 + number, response_us
    )


def test_the_parts_of_a_request_add_up_to_its_response_time() -> None:
    line = sample(response_us=3400).as_line()
    assert line.request_id == "a-1"
    assert line.parts_us == {
        "generator": 400, "nginx": None, "loop": 1000, "wait": 500, "driver": 1250, "handler": 250,
    }  # fmt: skip
    assert sum(us or 0 for us in line.parts_us.values()) == line.response_us


def test_a_server_that_tells_no_times_leaves_one_part() -> None:
    line = sample(fields=b"").as_line()
    assert line.response_us is None
    assert line.parts_us["loop"] == line.service_us == 3000


@given(st.integers(1, 20), st.integers(0, 100))
def test_as_many_are_kept_as_may_be(size: int, offered: int) -> None:
    sampler = Sampler(size, 1)
    for number in range(offered):
        sampler.offer(sample(number))
    kept = sampler.take()
    assert len(set(kept)) == len(kept) == min(size, offered)
    assert sampler.take() == []


def test_each_is_as_likely_as_any_other() -> None:
    sampler, kept = Sampler(5, 1), Counter[float]()
    for _ in range(2_000):
        for number in range(20):
            sampler.offer(sample(number))
        kept.update(sample.service_us for sample in sampler.take())
    assert list(kept.values()) == pytest.approx([500] * 20, rel=0.2)
