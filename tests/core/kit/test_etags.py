"""ETags: nothing is sent twice, and nobody overwrites what he has not seen."""

from __future__ import annotations

import asyncio

from tests.support import Api, Client, new_deal, sign_up


async def test_what_the_client_has_already_is_not_sent_again(ana: Client) -> None:
    url = f"/v1/deals/{(await new_deal(ana))['id']}"
    first = await ana.get(url)
    tag = first.headers["etag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = await ana.get(url, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await ana.get(url, headers={"If-None-Match": '"other"'})).status_code == 200
    await ana.patch(url, json={"name": "Another"})
    assert (await ana.get(url, headers={"If-None-Match": tag})).status_code == 200


async def test_a_change_to_what_somebody_else_changed_is_refused(ana: Client) -> None:
    url = f"/v1/deals/{(await new_deal(ana))['id']}"
    tag = (await ana.get(url)).headers["etag"]
    assert (await ana.patch(url, json={"name": "Mine"}, headers={"If-Match": tag})).status_code == 200
    late = await ana.patch(url, json={"name": "Late"}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["errorType"]) == (412, "PreconditionFailed")
    assert (await ana.get(url)).json()["name"] == "Mine"
    assert (await ana.patch(url, json={"name": "Whatever it is"}, headers={"If-Match": "*"})).status_code == 200


async def test_of_two_at_once_one_wins(ana: Client) -> None:
    url = f"/v1/deals/{(await new_deal(ana))['id']}"
    tag = (await ana.get(url)).headers["etag"]
    answers = await asyncio.gather(
        *(ana.patch(url, json={"name": f"By {n}"}, headers={"If-Match": tag}) for n in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert (await ana.get(url)).json()["name"] == winner.json()["name"]


async def test_a_tag_opens_nothing_that_is_not_seen(api: Api, ana: Client) -> None:
    url = f"/v1/deals/{(await new_deal(ana))['id']}"
    stranger = Client(api, (await sign_up(api, "rival", "eve@example.com"))["access_token"])
    for tag in ("*", (await ana.get(url)).headers["etag"]):
        assert (await stranger.patch(url, json={"name": "X"}, headers={"If-Match": tag})).status_code == 404


async def test_where_there_is_no_version_it_says_so(ana: Client) -> None:
    answer = await ana.post("/v1/accounts", json={"name": "A"}, headers={"If-Match": '"x"'})
    assert answer.status_code == 412
    assert answer.json()["detail"] == "This address has no version to compare with. Send it without `If-Match`."
    assert (await ana.get("/v1/accounts")).json()["items"] == []
