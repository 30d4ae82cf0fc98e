"""nginx.conf as text: what is always written out, and what another server can take over."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nginx.apply import Nginx
from nginx.features import Features, features
from nginx.render import render, site
from nginx.split import Balance, Pool, Split, SplitError
from tests.nginx.asking import ask, gate
from tests.stacks import eventually, free_ports

OLD, NEW = Features((1, 22, 1)), Features((1, 31, 3))
SPLIT = Split({"fast": Pool((1, 2)), "slow": Pool((3,))})


@pytest.mark.parametrize("version", [OLD, NEW])
def test_what_versions_do_differently_is_written_out(version: Features, tmp_path: Path) -> None:
    text = render(SPLIT, port=1, folder=tmp_path, features=version).text
    for line in (
        "proxy_http_version 1.1;",
        'proxy_set_header Connection "";',
        "keepalive 128;",
        "keepalive_time 24h;",
        "proxy_next_upstream off;",
        "max_fails=0;",
        "zone fast 256k;",
        "worker_shutdown_timeout 130s;",
    ):
        assert line in text


def test_no_kept_connections_is_said_where_they_are_the_default(tmp_path: Path) -> None:
    split = SPLIT.with_pool("fast", Pool((1,), keepalive=0))
    texts = [render(split, port=1, folder=tmp_path, features=f).text for f in (OLD, NEW)]
    assert ["keepalive 0;" in text for text in texts] == [False, True]


def test_what_an_nginx_lacks_is_said(tmp_path: Path) -> None:
    assert NEW.limitations == ()
    (told,) = OLD.limitations
    assert "1.22.1 has no keepalive_min_timeout" in told
    assert told in render(SPLIT, port=1, folder=tmp_path, features=OLD).text


def test_a_balance_that_was_left_out_of_an_nginx_is_named() -> None:
    bare = Features((1, 31, 3), "--without-http_upstream_hash_module")
    assert "built without balance hash" in bare.limitations[0]
    with pytest.raises(SplitError, match=r"^pools\.fast\.balance: hash: .* 1\.31\.3 was built"):
        bare.check(SPLIT.with_pool("fast", Pool((1,), Balance.HASH)))
    bare.check(SPLIT)


def test_another_server_takes_the_site_over(binary: str, tmp_path: Path) -> None:
    """As `split render` prints it: included by a bare nginx.conf, and serving."""
    (port,) = free_ports(1)
    (tmp_path / "nginx.conf").write_text(BARE.format(folder=tmp_path))
    one = Nginx(binary, tmp_path, port)
    with gate() as process:
        pool = Pool((process.port,), max_conns=9, overflow="shed", maintenance="soon.html")
        text = site(
            Split({"fast": pool}, {"/x/": "fast"}, methods={"PUT": "fast"}),
            listen=f"127.0.0.1:{port}",
            features=features(binary),
            log=tmp_path / "site.log",
            pages=tmp_path,
        )
        (tmp_path / "site.conf").write_text(text)
        with subprocess.Popen(one.command, cwd=tmp_path) as server:
            try:
                eventually(one.master)
                eventually((tmp_path / "site.log").exists)
                assert ask(one, "/x/y", "PUT", b"1")[0] == 200
            finally:
                server.terminate()


BARE = """
daemon off; pid "{folder}/nginx.pid"; error_log stderr;
events {{ }}
http {{
    client_body_temp_path "{folder}/body"; proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi"; uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
    include "{folder}/site.conf";
}}
"""
