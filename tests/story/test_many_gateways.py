"""Three gateways on one PostgreSQL that is killed and started again in the middle of the story.

The tests of this file are the steps of one story and run in their order. Packets, firewalls, programs and database are
real; the three subscribers have the same private address.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.namespaces import missing_for_namespaces
from tests.postgres import PostgresServer
from tests.story.conftest import require
from tests.story.gateways import SITES, ManyGateways

pytestmark = [pytest.mark.root, pytest.mark.postgres]


@pytest.fixture(scope="module")
def isp(mortal_postgres_server: PostgresServer) -> Iterator[ManyGateways]:
    require(missing_for_namespaces())
    with ManyGateways(mortal_postgres_server) as made:
        for gateway in made.gateways:
            gateway.start()
        made.wait_for("a first look", lambda: all(gateway.has_looked for gateway in made.gateways))
        made.release_the_brake()
        yield made


def test_each_subscriber_sees_the_own_notice_at_the_own_gateway(isp: ManyGateways) -> None:
    isp.move_clock_to_day(14)
    for gateway in isp.gateways:
        isp.wait_for(f"the notice at {gateway.site}", lambda gateway=gateway: gateway.sees_notice)  # type: ignore[misc]

        page = gateway.browse()
        assert [number for number in SITES.values() if f"2600{number}" in page] == [gateway.contract]


def test_an_acknowledgement_opens_the_line_at_that_gateway_alone(isp: ManyGateways) -> None:
    isp["south"].acknowledge()
    isp.wait_for("the south", lambda: isp["south"].is_open)

    assert isp["north"].sees_notice
    assert isp["west"].sees_notice


def test_all_three_are_suspended_in_time(isp: ManyGateways) -> None:
    isp["north"].acknowledge()
    isp["west"].acknowledge()
    isp.wait_for("the others", lambda: isp["north"].is_open and isp["west"].is_open)
    isp.move_clock_to_day(24, hour_utc=12)

    isp.wait_for("the suspensions", lambda: all(gateway.sees_suspension for gateway in isp.gateways))


def test_a_payment_that_arrives_at_one_gateway_opens_the_line_at_another_and_at_no_third(isp: ManyGateways) -> None:
    isp.pay(SITES["south"], at=isp["north"])
    isp.wait_for("the south", lambda: isp["south"].is_open)

    assert isp["north"].sees_suspension
    assert isp["west"].sees_suspension


def test_while_the_database_is_away_a_firewall_that_somebody_emptied_is_put_right(isp: ManyGateways) -> None:
    isp.server.stop()
    isp.wait_for("the news", lambda: all("database not reached" in gateway.log for gateway in isp.gateways))
    isp["north"].empty_the_firewall()

    isp.wait_for("healing", lambda: "100.64.0.10" in isp["north"].rules())
    assert not isp["north"].is_open


def test_a_gateway_that_is_started_without_the_database_waits_and_changes_nothing(isp: ManyGateways) -> None:
    west = isp["west"]
    west.kill()
    before = west.rules()
    west.start()
    isp.wait_for("waiting", lambda: "waiting for the database; nothing is changed" in west.log)

    assert west.process is not None
    assert west.process.poll() is None
    assert "100.64.0.10" in before
    assert west.rules() == before
    assert not west.is_open


def test_once_it_is_back_what_was_paid_is_opened_everywhere(isp: ManyGateways) -> None:
    isp.server.start()
    isp.pay(SITES["north"], SITES["west"], at=isp["south"])

    isp.wait_for("the lines", lambda: all(gateway.is_open for gateway in isp.gateways))


def test_nothing_was_told_twice_and_the_journal_is_whole(isp: ManyGateways) -> None:
    restored = {(number, "restored") for number in SITES.values()}
    isp.wait_for("the mails", lambda: restored <= set(isp.mails()))

    told = Counter(isp.mails())
    assert set(told) == restored | {(number, "suspended") for number in SITES.values()}
    assert set(told.values()) == {1}
    isp.verify_journal()


def test_an_end_leaves_every_firewall_as_it_is(isp: ManyGateways) -> None:
    before = [gateway.rules() for gateway in isp.gateways]
    for gateway in isp.gateways:
        assert gateway.process is not None
        gateway.process.terminate()
        assert gateway.process.wait(20) == 0

    assert [gateway.rules() for gateway in isp.gateways] == before
