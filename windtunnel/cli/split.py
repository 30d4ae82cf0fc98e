"""split: show, change, undo and export which processes serve which requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windtunnel.cli import options, types
from windtunnel.cli.output import needs_clone, say, table
from windtunnel.cli.types import option_type
from windtunnel.errors import SetupError

if TYPE_CHECKING:
    from deploy.history import SplitChange
    from deploy.stack import Stack
    from nginx.plan import SplitPlan

app = typer.Typer(
    name="split",
    help="Show and change which processes serve which requests, while the stack runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_needs_clone = partial(needs_clone, group="split")


def _stack() -> Stack:
    from deploy import stack

    current = stack.running()
    if current is None:
        raise SetupError("the stack is not up: start it with `windtunnel up`")
    return current


def _stack_to_change() -> Stack:
    """The stack, without what a killed command tried."""
    from deploy import splits

    stack = _stack()
    splits.put_back(_note)
    return stack


def _note(line: str) -> None:
    typer.echo(line, err=True)


@app.command()
@_needs_clone
def show(as_json: options.Json = False) -> None:
    """Show the active split: every key, its value, the ports of each pool."""
    from deploy import splits

    stack = _stack()
    plan = splits.active_plan(stack)
    if who := splits.killed_command():
        _note(f"{who} was killed while it tried splits; the one before: windtunnel split undo")
    if as_json:
        ports = {pool: list(stack.state.ports(pool)) for pool in plan.pools}
        _print({"plan": plan.as_dict(), "keys": plan.flat(), "ports": ports, **_nginx(stack)})
        return
    table(("key", "value"), list(plan.flat().items()))
    for pool in plan.pools:
        say(f"{pool}: processes on {', '.join(map(str, stack.state.ports(pool)))}")
    for line in stack.nginx.features.limitations:
        say(line)


def _nginx(stack: Stack) -> dict[str, Any]:
    features = stack.nginx.features
    return {"nginx": {"version": features.version_text, "lacks": list(features.limitations)}}


@app.command("set")
@_needs_clone
def set_(
    changes: Annotated[
        list[Any], typer.Argument(metavar="KEY=VALUE...", parser=option_type(types.change))
    ],
    as_json: options.Json = False,
) -> None:
    """Change keys of the split, such as pools.fast.processes=2 pools.slow.balance=least_conn.

    Returns when the new split is active and the old workers of nginx have drained. An empty value
    removes a route or a pool. An error changes nothing.
    """
    from deploy import splits
    from nginx.plan import edit_plan

    stack = _stack_to_change()
    before = splits.active_plan(stack)
    _apply(stack, before, edit_plan(before, dict(changes)), "split set", as_json)


def _apply(stack: Stack, before: SplitPlan, after: SplitPlan, by: str, as_json: bool) -> None:
    from deploy import splits

    if after != before:
        with _report_interrupt():
            change = splits.apply(stack, after, by, based_on=before)
        _show_change(change, as_json)
    elif as_json:
        _print(None)
    else:
        say("that split is active already: nothing to change")


@contextmanager
def _report_interrupt() -> Iterator[None]:
    """Say which split is active after Ctrl-C."""
    from deploy.history import read_history

    count = len(read_history())
    try:
        yield
    except KeyboardInterrupt:
        changes = read_history()[count:]
        if changes:
            back = "" if changes[0].undoes else "; windtunnel split undo"
            _note(f"interrupted: change {changes[0].number} is active{back}")
        else:
            _note("interrupted: nothing has changed")
        raise


def _show_change(change: SplitChange, as_json: bool) -> None:
    if as_json:
        _print(change.as_dict())
        return
    for key, old, new in _brief(change):
        say(f"{key}: {old or '(none)'} -> {new or '(none)'}")
    drained = (
        "" if change.clean_s is None else f", old workers drained after {change.clean_s:.2f} s"
    )
    say(f"change {change.number} is active after {change.apply_s:.2f} s{drained}")


@app.command()
@_needs_clone
def apply(
    file: Annotated[
        Path | None, typer.Argument(help="a split.toml [.run/split.toml]", show_default=False)
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Activate an edited split.toml."""
    from deploy import splits
    from nginx.plan import read_plan

    stack = _stack_to_change()
    _apply(
        stack,
        splits.active_plan(stack),
        read_plan(file or stack.layout.split),
        "split apply",
        as_json,
    )


@app.command()
@_needs_clone
def reset(as_json: options.Json = False) -> None:
    """Go back to the project's own nginx/split.toml."""
    from deploy import splits
    from nginx.plan import read_plan

    stack = _stack_to_change()
    _apply(stack, splits.active_plan(stack), read_plan(), "split reset", as_json)


@app.command()
@_needs_clone
def history(as_json: options.Json = False) -> None:
    """Show every change of this stack's split, the oldest first."""
    from deploy.history import read_history

    changes = read_history()
    if as_json:
        _print([change.as_dict() for change in changes])
    elif not changes:
        say("the split has not been changed yet")
    else:
        head = ("change", "when", "by", "active in", "drained in", "what")
        table(head, [_row(change) for change in changes])


def _brief(change: SplitChange) -> list[tuple[str, str, str]]:
    """The differences, with a pool that came or went as one, by its processes."""
    before, after = change.before["pools"], change.after["pools"]
    changed_pools = {name for name in {**before, **after} if (name in before) != (name in after)}
    differences = []
    for key, old, new in change.differences:
        kind, _, rest = key.partition(".")
        pool, _, option = rest.partition(".")
        if kind != "pools" or pool not in changed_pools:
            differences.append((key, old, new))
        elif option == "processes":
            differences.append(
                (key, old, new) if new else (f"pools.{pool}", f"{old} processes", "")
            )
    return differences


def _row(change: SplitChange) -> tuple[object, ...]:
    what = " ".join(f"{key}={new}" for key, _, new in _brief(change))
    by = f"{change.by} {change.undoes}" if change.undoes else change.by
    clean = "interrupted" if change.clean_s is None else f"{change.clean_s:.2f} s"
    when = change.when.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return change.number, when, by, f"{change.apply_s:.2f} s", clean, what


@app.command()
@_needs_clone
def undo(as_json: options.Json = False) -> None:
    """Take back the last change; once more, the one before it.

    What a command tried that was killed comes first, and is all that is taken back then.
    """
    from deploy import splits
    from deploy.history import read_history

    stack = _stack()
    if not splits.put_back(_note):
        with _report_interrupt():
            change = splits.undo(stack)
        _show_change(change, as_json)
    elif as_json:
        _print(read_history()[-1].as_dict())


@app.command()
@_needs_clone
def render(
    listen: Annotated[str, typer.Option(help="what your server listens on")] = "80",
    nginx: Annotated[
        Any,
        typer.Option(
            metavar="VERSION",
            parser=option_type(types.nginx_version),
            help="of your nginx, such as 1.22.1 [this one]",
        ),
    ] = None,
    log: Annotated[Path, typer.Option(help="your access log")] = Path(
        "/var/log/nginx/windtunnel.log"
    ),
    pages: Annotated[Path, typer.Option(help="your maintenance pages")] = Path(
        "/var/www/maintenance"
    ),
) -> None:
    """Print the active split for a server of your own, to be included in `http {}`."""
    from nginx.features import Features
    from nginx.render import site

    stack = _stack()
    features = stack.nginx.features if nginx is None else Features(nginx)
    made_by = f"Made by `windtunnel split render` for nginx {features.version_text}."
    hosts = (
        "The processes refuse host names that they do not know: start them with "
        "WINDTUNNEL_ALLOWED_HOSTS=your.name."
    )
    comments = (made_by, hosts, *features.limitations)
    text = site(
        stack.split, listen=listen, features=features, log=log, pages=pages, comments=comments
    )
    typer.echo(text, nl=False)


def _print(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))
