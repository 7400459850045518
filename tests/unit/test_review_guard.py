"""Changes that another site's page asks for."""

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from exporters.review.guard import Guard


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("changed")(scope, receive, send)


async def status(method: str = "POST", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Guard(page)), base_url="http://box:8321") as client:
        return (await client.request(method, "/", headers=named)).status_code


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
async def test_a_change_asked_for_by_another_origin_is_refused(site):
    assert await status(Sec_Fetch_Site=site) == 403


@pytest.mark.parametrize("site", ["same-origin", "none"])
async def test_a_change_asked_for_by_the_page_or_its_user_is_made(site):
    assert await status(Sec_Fetch_Site=site, Origin="http://box:8321") == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "http://box:3000", "null", "http://box:8321.evil.example"])
async def test_a_browser_that_tells_the_origin_only_is_understood(origin):
    assert await status(Origin=origin) == 403


@pytest.mark.parametrize("origin", ["http://box:8321", "http://BOX:8321"])
async def test_the_own_origin_may_change_things(origin):
    assert await status(Origin=origin) == 200


async def test_a_program_says_neither_and_may_change_things():
    assert await status() == 200


async def test_reading_is_not_kept_from_anyone_by_this():
    assert await status("GET", Sec_Fetch_Site="cross-site") == 200
