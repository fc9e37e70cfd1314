"""The pages of the notice server, as subscribers get them over real sockets."""

from tests.portal.subscribers import ANNA, BORIS, NOBODY, Gateway, acknowledgements


async def test_a_page_load_leads_to_the_notice_and_back_to_the_wanted_page(web: Gateway) -> None:
    redirect = await web.ask(target="/news?id=7", host="example.com")
    page = await web.ask(target=redirect.location.removeprefix(web.url))
    answer = await web.acknowledge(page.token, wanted=page.wanted)
    print(redirect, page.headers, answer)
    kept = await acknowledgements(web.store)

    assert redirect.status == 302
    assert page.status == 200
    assert "20261001" in page.body
    assert answer.status == 303
    assert [row.source_address for row in kept] == [ANNA]
