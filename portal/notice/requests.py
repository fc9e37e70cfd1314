"""What an intercepted request is, and what it is answered. Pure.

Whatever arrives on port 80 of a restricted line lands here: page loads, the probes by which operating systems
find a captive portal, and the traffic of programs that know nothing of pages. A GET is taken for a page load
unless it surely is none, because a person who waits for a page must see the notice.

| kind      | for example                               | answer, and why                                             |
|-----------|-------------------------------------------|-------------------------------------------------------------|
| OWN       | the notice's own address                  | the pages of `app.py`                                       |
| PAGE      | GET http://example.com/                   | 302 to the notice, with the wanted address signed           |
| PROBE     | Apple, Android, Windows, Firefox, …       | 302: never the "online" answer, and never 511, which        |
|           |                                           | Android takes for a broken network                          |
| FORM      | a browser's POST that expects a page      | 303 to the notice; what was typed is never read             |
| FAVICON   | /favicon.ico                              | 404: there is none; browsers ask again with the next page   |
| PROGRAM   | POST of an app, WebSocket, OCSP, downloads | 503 with Retry-After: "come back later" is the truth, is    |
|           |                                           | never cached, and makes no program parse our page           |
| PREFLIGHT | OPTIONS                                   | 403 without CORS headers: the browser then sends nothing    |
| ODD       | CONNECT, TRACE                            | 405: nobody proxies here                                    |

No answer may be cached: it is about the line, not about the site that was asked for. The Host header reaches
`Location` only inside the signed token.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import urlsplit

RETRY_AFTER_SECONDS = 60


class Kind(Enum):
    """What a request is; see the table above."""

    OWN = auto()
    PAGE = auto()
    PROBE = auto()
    FORM = auto()
    FAVICON = auto()
    PROGRAM = auto()
    PREFLIGHT = auto()
    ODD = auto()


PROBE_HOSTS = frozenset(
    {
        # Apple
        "captive.apple.com", "www.apple.com", "www.appleiphonecell.com", "www.airport.us", "www.ibook.info",
        "www.itools.info", "www.thinkdifferent.us",
        # Android, ChromeOS and what is built on them
        "connectivitycheck.gstatic.com", "connectivitycheck.android.com", "clients1.google.com", "clients2.google.com",
        "clients3.google.com", "clients4.google.com", "play.googleapis.com", "www.gstatic.com",
        "connectivitycheck.platform.hicloud.com", "connect.rom.miui.com", "connectivitycheck.grapheneos.network",
        # Windows
        "www.msftconnecttest.com", "ipv6.msftconnecttest.com", "www.msftncsi.com", "ipv6.msftncsi.com",
        # Firefox
        "detectportal.firefox.com",
        # NetworkManager as distributions set it up, and other free desktops
        "nmcheck.gnome.org", "network-test.debian.org", "connectivity-check.ubuntu.com", "fedoraproject.org",
        "ping.archlinux.org", "conncheck.opensuse.org", "networkcheck.kde.org", "ping.manjaro.org",
        # Amazon's tablets and readers
        "spectrum.s3.amazonaws.com",
    }
)  # fmt: skip

_PROBE_PATHS = frozenset(
    {
        "/generate_204", "/gen_204", "/hotspot-detect.html", "/library/test/success.html", "/connecttest.txt",
        "/ncsi.txt", "/success.txt", "/canonical.html", "/check_network_status.txt", "/static/hotspot.txt",
        "/nm-check.txt",
        "/kindle-wifi/wifistub.html",
    }
)  # fmt: skip
# Hosts that people visit, too: there, only the probe's path makes a probe.
_VISITED_HOSTS = frozenset({"www.apple.com", "www.gstatic.com", "fedoraproject.org", "spectrum.s3.amazonaws.com"})
_PROBE_AGENTS = ("captivenetworksupport", "microsoft ncsi", "networkmanager", "dalvik/", "wispr")

_PROGRAM_AGENTS = (
    "debian apt", "microsoft-cryptoapi", "microsoft-delivery-optimization", "microsoft bits", "windows-update-agent",
    "com.apple.trustd", "ocspd/",
)  # fmt: skip
_PROGRAM_SUFFIXES = (
    ".js", ".css", ".json", ".xml", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".woff", ".woff2", ".mp3",
    ".mp4", ".m3u8", ".ts", ".crl", ".crt", ".cer", ".p7c", ".deb", ".rpm", ".exe", ".msi", ".cab",
    ".zip", ".gz", ".xz", ".apk",
)  # fmt: skip
_PAGE_METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request; header names are lower case."""

    method: str
    target: str
    """As it was sent: a path with its query, or a whole URL."""
    headers: Mapping[str, str]

    @property
    def host(self) -> str:
        """Host and port as asked for; a whole URL in the request line counts more than the header (RFC 9112)."""
        if self.target.startswith("http://"):
            return self.target[7:].partition("/")[0].partition("?")[0].lower()
        return self.headers.get("host", "").strip().lower()

    @property
    def path_and_query(self) -> str:
        if self.target.startswith("http://"):
            _, slash, rest = self.target[7:].partition("/")
            return slash + rest or "/"
        return self.target

    @property
    def is_prefetch(self) -> bool:
        """Nobody looks at it (yet): it is no evidence that anything was shown."""
        purposes = [self.headers.get(name, "") for name in ("sec-purpose", "purpose", "x-purpose", "x-moz")]
        return any("prefetch" in text.lower() or "preview" in text.lower() for text in purposes)

    @property
    def is_probe(self) -> bool:
        name = hostname(self.host)
        path = self.path_and_query.partition("?")[0]
        if path in _PROBE_PATHS or (name in PROBE_HOSTS and name not in _VISITED_HOSTS):
            return True
        agent = self.headers.get("user-agent", "").lower()
        return agent.startswith(_PROBE_AGENTS) or "captivenetworksupport" in agent


def hostname(host: str) -> str:
    """The name of `host:port`, without a final dot."""
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return name.rstrip(".").lower()


def netloc_of(url: str) -> str:
    """What browsers send as Host for a URL: the port is left out when it is the scheme's own."""
    parts = urlsplit(url)
    default = ":443" if parts.scheme == "https" else ":80"
    return parts.netloc.lower().removesuffix(default)


def classify(request: Request, own_hosts: frozenset[str]) -> Kind:
    """What a request is; `own_hosts` are as `netloc_of` writes them."""
    host = request.host
    if host in own_hosts or host.removesuffix(":80") in own_hosts:
        return Kind.OWN
    if request.method in ("CONNECT", "TRACE"):
        return Kind.ODD
    if request.method == "OPTIONS":
        return Kind.PREFLIGHT
    if request.method not in _PAGE_METHODS:
        return Kind.FORM if "text/html" in request.headers.get("accept", "").lower() else Kind.PROGRAM
    if request.is_probe:
        return Kind.PROBE
    return _kind_of_get(request)


def _kind_of_get(request: Request) -> Kind:
    headers = request.headers
    path = request.path_and_query.partition("?")[0].lower()
    if path.endswith(("/favicon.ico", "/apple-touch-icon.png", "/apple-touch-icon-precomposed.png")):
        return Kind.FAVICON
    if "upgrade" in headers or "x-requested-with" in headers:
        return Kind.PROGRAM
    if headers.get("user-agent", "").lower().startswith(_PROGRAM_AGENTS):
        return Kind.PROGRAM
    accept = headers.get("accept", "").lower()
    if "text/html" in accept:
        return Kind.PAGE
    if accept.startswith(("image/", "application/json", "text/css", "audio/", "video/", "font/")):
        return Kind.PROGRAM
    return Kind.PROGRAM if path.endswith(_PROGRAM_SUFFIXES) else Kind.PAGE


@dataclass(frozen=True, slots=True)
class Answer:
    """A short answer that needs no page."""

    status: int
    reason: str
    location: str = ""
    retry_after_seconds: int = 0
    allow: str = ""

    def headers(self) -> list[tuple[str, str]]:
        found = [("Cache-Control", "no-store")]
        if self.location:
            found.append(("Location", self.location))
        if self.retry_after_seconds:
            found.append(("Retry-After", str(self.retry_after_seconds)))
        if self.allow:
            found.append(("Allow", self.allow))
        return found

    def encode(self) -> bytes:
        """The whole response; the connection ends with it."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers())
        head = f"HTTP/1.1 {self.status} {self.reason}\r\n{lines}Content-Length: 0\r\nConnection: close\r\n\r\n"
        return head.encode("ascii")


_FIXED = {
    Kind.FAVICON: Answer(404, "Not Found"),
    Kind.PROGRAM: Answer(503, "Service Unavailable", retry_after_seconds=RETRY_AFTER_SECONDS),
    Kind.PREFLIGHT: Answer(403, "Forbidden"),
    Kind.ODD: Answer(405, "Method Not Allowed", allow="GET, HEAD, POST"),
}


def answer(kind: Kind, request: Request, notice_url: str, sign_wanted: Callable[[str], str]) -> Answer:
    """What a request to somebody else's host is answered; `sign_wanted` gives a token, or nothing."""
    if fixed := _FIXED.get(kind):
        return fixed
    token = ""
    if kind is Kind.PAGE and not request.is_prefetch:
        token = sign_wanted(f"http://{request.host}{request.path_and_query}")
    location = f"{notice_url}/?w={token}" if token else f"{notice_url}/"
    return Answer(303, "See Other", location) if kind is Kind.FORM else Answer(302, "Found", location)
