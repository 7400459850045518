"""What ``collector/README.md`` says of tokens and TLS is done: its configuration, and its variables for an app."""

import pytest
from certificates import Authority
from documented import blocks
from guarded_servers import TOKEN, a_token_file
from servers import CLIENT, total, until
from terminal import Terminal, the_app, traces_of

pytestmark = pytest.mark.timeout(300)
SERVER, _MTLS = blocks("collector/README.md", "yaml", "Access")
(APP,) = blocks("collector/README.md", "console", "Access")
START, RUN, *_ = blocks("README.md", "console", "Five minutes: a Python app")
NAMED, RUN_APP = RUN.commands
ADDRESS, AUTHORITY, WITH_TOKEN = APP.commands
ANSWERS = 4


def test_an_app_gets_in_with_the_token_and_the_authority_and_not_without(tmp_path, require):
    own = {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""}  # for Python's exporter these would go before the variable
    with Terminal(tmp_path, {"PATH": f"{require('programs')}:/usr/bin:/bin", **own}) as terminal:
        authority, tokens = Authority(tmp_path), a_token_file(tmp_path)
        server = authority.issue()
        terminal.texts |= {
            "/etc/sidecheck/tokens": str(tokens),
            "/etc/sidecheck/tls.crt": str(server.cert),
            "/etc/sidecheck/tls.key": str(server.key),
            "/etc/ssl/company-ca.crt": str(authority.cert),
            "0.0.0.0:4318": terminal.address(4318),
            "sidecheck.example:4318": terminal.address(4318),
            "<token>": TOKEN,
        }
        (tmp_path / "sidecheck.yaml").write_text(terminal.rewritten(SERVER.text))
        the_app(tmp_path, ANSWERS)
        terminal.perform_one(START, ".venv/bin/sidecheck serve -c sidecheck.yaml")

        terminal.perform_one(RUN, NAMED)
        for variable in (ADDRESS, AUTHORITY):
            terminal.perform_one(APP, variable)
        terminal.perform_one(RUN, RUN_APP)
        page = CLIENT.get(f"http://{terminal.address(9464)}/metrics").text
        assert total(page, "sidecheck_requests_refused_total", {"reason": "unauthenticated"}) > 0
        terminal.perform_one(APP, WITH_TOKEN)
        terminal.perform_one(RUN, RUN_APP)
        until("the app's traces are judged", lambda: len(traces_of(terminal, "my-app")) == ANSWERS)
