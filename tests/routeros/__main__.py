"""A simulated router as a process of its own: for benchmarks, for the lab, and to try something by hand.

    python -m tests.routeros --profile 7.18 --port 8728
    ip netns exec ROUTER python -m tests.routeros --host 10.0.0.1 --netfilter ether1=wan bridge=lan

Says ``listening PORT TLS_PORT`` once it is, and serves until it is ended.
"""

import argparse
import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.clock import OffsetClock, SystemClock
from tests.routeros.certificates import Authority
from tests.routeros.furniture import furnish
from tests.routeros.netfilter import Netfilter
from tests.routeros.profiles import PROFILES
from tests.routeros.simulator import PASSWORD, USER, Simulator, running

TICK_SECONDS = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.routeros", description=f"User {USER}, password {PASSWORD}.")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="7.18")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="any, when it is 0")
    parser.add_argument("--certificates", type=Path, help="a folder: serves TLS, and puts ca.pem there")
    parser.add_argument("--entries", type=int, default=0, help="so many foreign entries in an address list")
    parser.add_argument("--furnished", metavar="OFFICE", help="with an ISP's own rules; managed from this network only")
    parser.add_argument("--ipv6", action="store_true", help="also on version 6, which is shipped without")
    parser.add_argument("--netfilter", nargs="*", metavar="NAME=KERNEL", help="on real packets: interfaces (root)")
    parser.add_argument("--clock-offset-file", type=Path, help="the machine's clock plus the seconds that stand there")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="round trip")
    parser.add_argument("--write-ms", type=float, default=0.0, help="the router's own time for one item")
    asyncio.run(_serve(parser.parse_args()))


async def _serve(asked: argparse.Namespace) -> None:
    router = _router(asked)
    tls = Authority(asked.certificates).context(names=(asked.host, "127.0.0.1")) if asked.certificates else None
    async with running(router, asked.host, tls=tls, port=asked.port):
        with _on_real_packets(router, asked.netfilter):
            print(f"listening {router.port} {router.tls_port}", flush=True)
            while True:
                router.tick()  # what times out does so without a command, too
                await asyncio.sleep(TICK_SECONDS)


def _router(asked: argparse.Namespace) -> Simulator:
    clock = OffsetClock(asked.clock_offset_file) if asked.clock_offset_file else SystemClock()
    router = Simulator(profile=asked.profile, clock=clock, has_ipv6=asked.ipv6 or None)
    router.faults.latency_seconds = asked.latency_ms / 1000
    router.faults.write_seconds = asked.write_ms / 1000
    if asked.furnished:
        furnish(router, asked.furnished)
    for number in range(asked.entries):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        router.add("/ip/firewall/address-list", list="many", address=address)
    return router


@contextmanager
def _on_real_packets(router: Simulator, interfaces: list[str] | None) -> Iterator[None]:
    if interfaces is None:
        yield
        return
    names = dict(pair.split("=", 1) for pair in interfaces)
    with Netfilter(router, names):
        yield


if __name__ == "__main__":
    main()
