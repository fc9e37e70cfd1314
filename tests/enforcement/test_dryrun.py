"""The driver that writes nothing remembers what it would have written."""

from enforcement.dryrun import DryRunDriver
from enforcement.planner import plan
from enforcement.state import NOTHING, Address, Desired, LineState

ONE = Address.parse("100.64.0.10")


async def test_it_remembers_the_plans_it_was_given_and_no_empty_ones() -> None:
    driver = DryRunDriver()
    first = plan(Desired({ONE: LineState.NOTICE}), await driver.observe())
    await driver.apply(first)
    await driver.apply(NOTHING)
    second = plan(Desired({}), await driver.observe())
    await driver.apply(second)

    assert list(driver.plans) == [first, second]
