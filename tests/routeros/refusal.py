"""A command that the router does not carry out, in the words of a real one."""


class Refused(Exception):
    """Becomes a `!trap`."""

    def __init__(self, message: str, category: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.category = category
        """0 missing item or command, 1 argument value, 2 interrupted, 4 general, 5 API; many traps have none."""


def no_such_item(*, is_volatile: bool = False) -> Refused:
    """Of what comes and goes by itself, reports quote it with a number."""
    return Refused("no such item (4)" if is_volatile else "no such item", 0)


def no_such_command() -> Refused:
    return Refused("no such command", 0)


def no_such_menu() -> Refused:
    return Refused("no such command prefix", 0)


def no_permission() -> Refused:
    return Refused("not enough permissions (9)")


def already_there() -> Refused:
    return Refused("failure: already have such entry")
