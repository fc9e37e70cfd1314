"""The subscriber's screen in a frame: what their browser shows, with its button and links led through the demo.

The page itself is as the notice server sent it. It runs in a sandbox, without scripts and of no origin; its form
posts to the control page, which presses the same button from the subscriber's address.
"""

import re
from html import escape
from pathlib import Path
from urllib.parse import urlencode, urljoin

import jinja2

from daemon.demo.browser import Form, Screen, form_of
from daemon.demo.people import Subscriber

_SCREENS = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)
_FORM = re.compile(r'<form\b[^>]*\baction="[^"]*"[^>]*>', re.IGNORECASE)
_LINK = re.compile(r'<a\b([^>]*?)\bhref="([^"]*)"', re.IGNORECASE)


def in_frame(screen: Screen, person: Subscriber, token: str) -> str:
    """The document of the frame."""
    if screen.kind == "internet":
        return _SCREENS.get_template("screen_internet.html").render(url=screen.url)
    if screen.kind == "error":
        return _SCREENS.get_template("screen_rejected.html").render(url=screen.url)
    return _led_through(screen, person, token)


def _led_through(screen: Screen, person: Subscriber, token: str) -> str:
    """The notice server's page; its form and its links lead back to the subscriber's page of the demo."""
    own = f"/subscriber/{person.number}"
    carried = {"token": token, "url": screen.url}
    fields = "".join(f'<input type="hidden" name="{n}" value="{escape(v)}">' for n, v in carried.items())
    start = f'<form method="post" action="{own}/press" target="_top">{fields}'
    html = _FORM.sub(lambda _: start, screen.html, count=1)

    def link(found: re.Match[str]) -> str:
        target = urljoin(screen.url, found[2].replace("&amp;", "&"))
        if not target.startswith(("http://", "https://")):
            return f'<a{found[1]}href="{found[2]}"'  # a phone number, a mail address
        return f'<a{found[1]}target="_top" href="{own}?{escape(urlencode({"url": target}))}"'

    return _LINK.sub(link, html)


def form_to_press(screen: Screen) -> Form | None:
    """The form of a page of the notice server; nobody else's pages are pressed."""
    return form_of(screen.html) if screen.kind == "hradlo" else None
