"""A stand-in for a MikroTik router: RouterOS's binary API, as faithfully as its papers and field reports allow.

A test part of the project; the benchmarks and the browser story use it, too, so nothing here imports pytest.

    async with running(Simulator(profile="7.18", clock=clock)) as router:
        router.port, router.tables, router.faults, router.commands, router.reboot(), router.foreign()

or as a process of its own, in a network namespace if one likes: ``python -m tests.routeros --help``.

| module | what it knows |
|---|---|
| `wire` | words and sentences |
| `session` | one connection: login, tags, `/cancel`, `listen`, `/quit`, back-pressure |
| `commands`, `queries` | what a command does: `print`, `add`, `set`, `remove`, `move` …; `?` words |
| `tables`, `rules`, `address_lists` | what the router holds |
| `subscribers`, `furniture` | leases, PPP sessions, queues, flows; a router as an ISP has it |
| `menus`, `profiles` | which arguments there are, and how the versions differ |
| `faults`, `arrivals` | what goes wrong, and how long things take |
| `simulator` | the router: all of it together, reboot, what is foreign |
| `certificates` | TLS, good and bad |
| `netfilter`, `translation` | with root: its lists and rules as nftables, on real packets |
| `talker` | the barest client, for tests of the above |

It was never compared with a real router: nobody here had one. It was made after MikroTik's manual and public reports,
and three clients that we did not write get along with it (`test_foreign_clients.py`). `test_facts.py` says what the
driver relies on, and asks a real router, too, if one is named. What is only guessed is guessed to the caller's
disadvantage:

* after a reboot `.id`s count anew, so that a remembered one may be another row's;
* a dynamic entry stays dynamic, whatever is set; one that DNS, DHCP, PPP or RADIUS made can't be changed or removed;
* `=comment` without a second ``=`` is refused;
* `find` knows no queries; with a query, `listen` tells of no deletion;
* before login a sentence has at most 16 KiB, and there are at most 32 of them;
* the words of refusals that no report quotes (dummy rule, actions that don't fit together): compare none of them.
"""
