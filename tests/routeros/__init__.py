"""A stand-in for a MikroTik router: RouterOS's binary API, as faithfully as its papers and field reports allow.

A test part of the project; the benchmarks and the browser story use it, too, so nothing here imports pytest.

    async with running(Simulator(profile="7.18", clock=clock)) as router:
        router.port, router.tables, router.faults, router.commands, router.reboot(), router.foreign()

or as a process of its own, in a network namespace if one likes: ``python -m tests.routeros --help``.

| module | what it knows |
|---|---|
| `wire` | words and sentences |
| `session` | one connection: login, tags, `/cancel`, `listen`, `/quit`, back-pressure |
| `commands` | what a command does: `print`, `add`, `set`, `remove`, `move` … |
| `queries` | `?` words |
| `tables`, `rules`, `address_lists` | what the router holds |
| `menus`, `profiles` | which arguments there are, and how the versions differ |
| `faults`, `arrivals` | what goes wrong, and how long things take |
| `simulator` | the router: all of it together, reboot, what is foreign |
| `netfilter` | with root: its lists and rules as nftables, on real packets |

Where a real router's behaviour is not known, the simulator does what is worse for the caller.
"""
