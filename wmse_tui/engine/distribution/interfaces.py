"""The network interfaces of this machine: under which addresses other machines may reach it.

A host name often leads to a loopback address on its own machine (127.0.1.1 on Debian), and gloo would listen
there. So rank 0 publishes all addresses, the likeliest first, and every rank uses the interface by which it
has reached rank 0.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping

from wmse_tui.runs.process.identity import host

try:
    import psutil
except ImportError:  # the interfaces are not known: ranks meet by name, and gloo chooses
    psutil = None  # type: ignore[assignment]

INTERFACE = "GLOO_SOCKET_IFNAME"
"""torch reads it as well: the interface over which the ranks exchange what they compute."""
ADDRESS = "MASTER_ADDR"
"""Set by torchrun, and for ranks that a shell starts by the user: where rank 0 is reached."""
VIRTUAL = ("docker", "veth", "br-", "virbr", "cni", "flannel", "podman", "lxc")
"""How the names of interfaces begin that other machines do not reach."""
_ELSEWHERE = ("192.0.2.1", 9)  # of RFC 5737: nothing is sent; it shows which interface the default route has


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches it; of an address, not of a name."""
    return address == "::1" or address.startswith("127.")


def own_addresses() -> dict[str, str]:
    """The IPv4 addresses of this machine's interfaces, by the names of these, without loopback.

    That of the default route is first, those of containers are last.
    """
    states = {} if psutil is None else psutil.net_if_stats()
    found = {
        name: address
        for name, family, address in _addresses()
        if family == socket.AF_INET and not is_loopback(address)
        if name not in states or states[name].isup
    }
    default = _of_default_route()
    ordered = sorted(found, key=lambda name: (name.startswith(VIRTUAL), found[name] != default))
    return {name: found[name] for name in ordered}


def published_addresses(environment: Mapping[str, str]) -> list[str]:
    """Where rank 0 may be reached, the likeliest first: what the user has set, its name, its addresses."""
    chosen = listening_address(environment)
    if chosen:
        return [chosen]
    given = environment.get(ADDRESS, "")
    return list(dict.fromkeys([*([given] if given else []), host(), *own_addresses().values()]))


def listening_address(environment: Mapping[str, str]) -> str:
    """The address of the interface that the user has chosen; "" where there is none: all of them."""
    return own_addresses().get(environment.get(INTERFACE, ""), "")


def use_interface_of(address: str) -> None:
    """Let gloo use the interface with this address of this machine, unless the user has chosen one."""
    named = {address.partition("%")[0]: name for name, _, address in _addresses()}
    name = named.get("127.0.0.1" if is_loopback(address) else address) or next(iter(own_addresses()), "")
    if name:
        os.environ.setdefault(INTERFACE, name)


def _addresses() -> Iterator[tuple[str, int, str]]:
    """The interface, family and text of each address of this machine."""
    every = {} if psutil is None else psutil.net_if_addrs()
    return ((name, entry.family, entry.address) for name, entries in every.items() for entry in entries)


def _of_default_route() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:  # there is none
            return ""
        return str(probe.getsockname()[0])
