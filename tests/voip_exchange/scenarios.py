"""What sipp plays: who calls, and who answers. XML, as sipp wants it."""

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="hradlo">\n'
_IDENTITY = """From: <sip:[caller]@[local_ip]:[local_port]>;tag=[pid]C[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>{to_tag}
Call-ID: [call_id]
CSeq: {cseq} {method}
Contact: <sip:[caller]@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Length: 0

"""
REFUSALS = (402, 403, 404, 408, 484, 486, 500, 503)


def _request(method: str, cseq: int, *, is_first: bool = False, attributes: str = "") -> str:
    target = "sip:[service]@[remote_ip]:[remote_port]" if is_first else "[next_url]"
    routes = "" if is_first else "[routes]\n"
    identity = _IDENTITY.format(method=method, cseq=cseq, to_tag="" if is_first else "[peer_tag_param]")
    via = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
    return f"<send{attributes}><![CDATA[\n{method} {target} SIP/2.0\n{via}{routes}{identity}]]></send>\n"


def _answer(status: str, *, tag: str = "", contact: bool = False, attributes: str = "") -> str:
    where = "Contact: <sip:[local_ip]:[local_port]>\n" if contact else ""
    record_route = "[last_Record-Route:]\n" if contact else ""
    return (
        f"<send{attributes}><![CDATA[\nSIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:]{tag}\n{record_route}"
        f"[last_Call-ID:]\n[last_CSeq:]\n{where}Content-Length: 0\n\n]]></send>\n"
    )


def _log(word: str) -> str:
    return f'<action><log message="{word}"/></action>'


def caller(then: str, first_repeat_seconds: float) -> str:
    """Calls; each call logs one word: the status that refused it, `cut` or `ended`.

    `then`: `hangs up` after the pause of the command line, `waits` until somebody ends the call, `holds` it and takes
    it up again (a re-INVITE) after two seconds, and then waits. An INVITE without any answer is repeated, the first
    time after `first_repeat_seconds`.
    """
    refused = "".join(
        f'<recv response="{status}" optional="true" next="refused">{_log(str(status))}</recv>\n' for status in REFUSALS
    )
    invited = (
        _request("INVITE", 1, is_first=True, attributes=f' retrans="{int(first_repeat_seconds * 1000)}"')
        + '<recv response="100" optional="true"/>\n<recv response="180" optional="true"/>\n'
        + refused
        + '<recv response="200" rrs="true"/>\n'
        + _request("ACK", 1)
    )
    is_cut = f'<recv request="BYE" timeout="15000">{_log("cut")}</recv>\n{_answer("200 OK", attributes=_END)}'
    again = (
        '<pause milliseconds="2000"/>\n'
        + _request("INVITE", 2, attributes=' retrans="500"')
        + '<recv response="100" optional="true"/>\n<recv response="200"/>\n'
        + _request("ACK", 2)
    )
    hung_up = (
        f"<pause/>\n{_request('BYE', 3, attributes=' retrans=' + chr(34) + '500' + chr(34))}"
        f'<recv response="200" next="end">{_log("ended")}</recv>\n'
    )
    rest = {"hangs up": hung_up, "waits": is_cut, "holds": again + is_cut}[then]
    declined = f'<label id="refused"/>\n{_request("ACK", 1, is_first=True)}<label id="end"/>\n'
    return f"{_HEAD}{invited}{rest}{declined}</scenario>\n"


_END = ' next="end"'


def answers() -> str:
    """Answers every call at once, is busy for numbers that end with 99, and follows re-INVITEs."""
    tag = ";tag=[pid]G[call_number]"
    return (
        f"{_HEAD}"
        '<recv request="INVITE"><action><ereg regexp="INVITE sip:[0-9+]*99@" search_in="msg" check_it="false" '
        'assign_to="busy"/></action></recv>\n'
        f'{_answer("180 Ringing", tag=tag, contact=True)}<nop test="busy" next="busy"/>\n'
        f"{_answer('200 OK', tag=tag, contact=True)}"
        '<recv request="ACK"/>\n<label id="talks"/>\n'
        '<recv request="INVITE" optional="true" next="again"/>\n<recv request="BYE"/>\n'
        f'{_answer("200 OK", attributes=_END)}<label id="again"/>\n{_answer("200 OK", contact=True)}'
        f'<recv request="ACK" next="talks"/>\n<label id="busy"/>\n{_answer("486 Busy Here", tag=tag)}'
        '<recv request="ACK"/>\n<label id="end"/>\n</scenario>\n'
    )
