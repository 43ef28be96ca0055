"""The command line: ``python -m valr_loopback --port P --seed N``."""

import asyncio
import logging
import signal
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

import typer

from valr_loopback.fault_files import FaultError, load_faults, parse_fault
from valr_loopback.fault_kinds import listing
from valr_loopback.many_pairs import FEWEST_PAIRS, MOST_PAIRS
from valr_loopback.server import DEFAULT_PORT, LoopbackConfig, LoopbackServer
from valr_loopback.state import StateError


def main(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any that is free.")
    ] = DEFAULT_PORT,
    seed: Annotated[
        int, typer.Option(help="Draws the market, the keys and all delays: the same number, the same exchange.")
    ] = 1,
    host: Annotated[
        str, typer.Option(help="Address to listen on; this one can be reached from this machine only.")
    ] = "127.0.0.1",
    pairs: Annotated[
        int | None,
        typer.Option(
            min=FEWEST_PAIRS, max=MOST_PAIRS, help="How many spot pairs to list; VALR has 205. A handful by default."
        ),
    ] = None,
    pace: Annotated[float, typer.Option(min=0.01, help="How fast the market moves; 1 is lifelike.")] = 1.0,
    faults: Annotated[
        Path | None, typer.Option(help="File (YAML) of faults: what the exchange shall do wrong, and when.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="One fault, as 'place_lost:probability=0.2' or 'place_reply_late:delay=1/5' (1 to 5 s). Repeatable."
        ),
    ] = None,
    list_faults: Annotated[
        bool, typer.Option("--list-faults", help="Say which faults there are, with their options, and exit.")
    ] = False,
    allowed_ip: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The only address (or network, as 10.0.0.0/8) from which the demo key may be used; from others it is"
            " refused, as VALR does with a key bound to an IP address.",
        ),
    ] = None,
    market: Annotated[
        bool, typer.Option(help="Let prices move and others trade; without it the books are empty.")
    ] = True,
    state: Annotated[
        Path | None, typer.Option(help="File the exchange is kept in: a new start goes on where the last one ended.")
    ] = None,
) -> None:
    """Run a VALR of your own on this machine, to try everything without keys and without money.

    It prints where it listens and a demo key: 'hbot connect valr_loopback'.
    From there on all is as on VALR: its protocol, matching, fees, limits.
    Ctrl-C stops it.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if list_faults:
        for line in listing():
            typer.echo(line)
        return
    try:
        plan = tuple(load_faults(faults) if faults is not None else []) + tuple(map(parse_fault, fault or []))
        network = None if allowed_ip is None else ip_network(allowed_ip, strict=False)
    except FaultError as error:
        typer.echo(f"Cannot use the faults: {error}", err=True)
        raise typer.Exit(1) from None
    except ValueError as error:
        typer.echo(f"Cannot use --allowed-ip: {error}", err=True)
        raise typer.Exit(1) from None
    config = LoopbackConfig(
        host=host,
        port=port,
        seed=seed,
        pairs=pairs,
        market=market,
        market_pace=pace,
        faults=plan,
        state=state,
        allowed_ip=network,
    )
    try:
        asyncio.run(_serve(config))
    except StateError as error:
        typer.echo(f"Cannot use the state file: {error}", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"Cannot listen on {host}:{port}: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None


async def _serve(config: LoopbackConfig) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with LoopbackServer(config) as server:
        typer.echo(f"VALR loopback exchange, seed {config.seed}")
        typer.echo(f"  REST       {server.url}")
        typer.echo(f"  sockets    {server.websocket_url}/ws/account and {server.websocket_url}/ws/trade")
        typer.echo(f"  API key    {server.api_key}")
        typer.echo(f"  API secret {server.api_secret}")
        typer.echo("Stop it with Ctrl-C.")
        await stopped.wait()
    typer.echo("Stopped.")


if __name__ == "__main__":
    typer.run(main)
