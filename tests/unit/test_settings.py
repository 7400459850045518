"""The configuration: files, environment variables, and what is said of mistakes."""

from pathlib import Path

import pytest
import yaml

from collector.settings import Address, ConfigError, Settings, as_yaml, load, warnings

SECOND = 1_000_000_000


@pytest.fixture
def read(tmp_path):
    """Load a configuration of this text and these variables."""

    def read(text: str | bytes = "", **env: str) -> Settings:
        path = tmp_path / "sidecheck.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path, env)

    return read


@pytest.fixture
def refused(read):
    """The problems of a configuration that must be refused, by their key."""

    def refused(text: str | bytes = "", **env: str) -> dict[str, str]:
        with pytest.raises(ConfigError) as caught:
            read(text, **env)
        return {problem.key: str(problem) for problem in caught.value.problems}

    return refused


def test_without_a_file_everything_has_its_default():
    assert load(None, {}) == Settings()


def test_an_empty_file_and_empty_sections_mean_the_defaults(read):
    assert read("") == read("otlp:\n  grpc:\nstore: {retention: }\nchecks:\n") == Settings()


def test_values_of_the_file_are_read_in_their_units(read):
    settings = read("assembly: {settle: 500ms, idle: 1.5}\nlimits: {request: 512KB}\nstore: {retention: {age: 2d}}")
    assert settings.assembly.settle == SECOND // 2
    assert settings.assembly.idle == 3 * SECOND // 2
    assert settings.limits.request == 512_000
    assert settings.store.retention.age == 48 * 3600 * SECOND


def test_a_variable_overrides_the_file(read):
    settings = read(
        "otlp: {grpc: {listen: 127.0.0.1:1}, http: {listen: 127.0.0.1:2}}", SIDECHECK_OTLP__GRPC__LISTEN="[::1]:3"
    )
    assert settings.otlp.grpc.listen == Address("::1", 3)
    assert settings.otlp.http.listen == Address("127.0.0.1", 2)


def test_an_empty_variable_counts_as_not_set(read):
    assert read("data_dir: /here", SIDECHECK_DATA_DIR="").data_dir == Path("/here")


def test_a_variable_may_hold_a_whole_section_and_a_deeper_one_wins(read):
    settings = read(SIDECHECK_ASSEMBLY="{settle: 1s, idle: 5s}", SIDECHECK_ASSEMBLY__SETTLE="3s")
    assert (settings.assembly.settle, settings.assembly.idle) == (3 * SECOND, 5 * SECOND)


def test_a_variable_for_one_check_keeps_the_default_checks(read):
    checks = read(SIDECHECK_CHECKS__LATENCY__SAMPLE="0.5").checks
    assert checks["latency"] == {"sample": 0.5}
    assert set(checks) == set(Settings().checks)


def test_checks_that_the_file_does_not_list_do_not_run(read):
    assert read("checks:\n  latency:\n").checks == {"latency": {}}


def test_a_bare_off_is_the_mode_and_not_false(read):
    assert read("promotion: {mode: off}").promotion.mode == "off"


def test_variables_of_the_test_run_are_no_options(read):
    assert read(SIDECHECK_REQUIRE="kafka", SIDECHECK_TEST_POSTGRES="x") == Settings()


A_SERVICE = {
    "SERVICE_HOST": "10.0.0.1",
    "SERVICE_PORT": "4317",
    "SERVICE_PORT_OTLP_GRPC": "4317",
    "PORT": "tcp://10.0.0.1:4317",
    "PORT_4317_TCP": "tcp://10.0.0.1:4317",
    "PORT_4317_TCP_PROTO": "tcp",
    "PORT_4317_TCP_PORT": "4317",
    "PORT_4317_TCP_ADDR": "10.0.0.1",
}


@pytest.mark.parametrize("name", ["SIDECHECK", "SIDECHECK_PAGE"])
def test_what_kubernetes_tells_of_a_service_with_our_name_is_no_option(read, name):
    assert read(**{f"{name}_{end}": value for end, value in A_SERVICE.items()}) == Settings()


def test_without_such_a_service_a_port_is_an_unknown_option(read):
    with pytest.raises(ConfigError, match="SIDECHECK_KAFKA_PORT"):
        read(SIDECHECK_KAFKA_PORT="9092", SIDECHECK_SERVICE_HOST="10.0.0.1")


@pytest.mark.parametrize(("workers", "expected"), [("auto", 4), ("2", 2), ("16", 16)])
def test_there_is_a_worker_a_core_unless_a_number_is_given(read, workers, expected):
    assert read(f"workers: {workers}").worker_count(cores=4) == expected


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Settings().workers = 2


def test_the_written_form_gives_the_same_settings_again(read):
    settings = read("assembly: {settle: 250ms}\nlimits: {memory: 1000}\npromotion: {mode: off}\nworkers: 3")
    assert read(as_yaml(settings)) == settings


def test_the_written_form_hides_the_password_of_the_store(read):
    settings = read("store: {url: 'postgresql://me:se:cr@t@db/x?password=secret'}")
    assert "postgresql://me:***@db/x?password=***" in as_yaml(settings)
    assert "se:cr@t@db" in as_yaml(settings, show_passwords=True)


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("assembly: {setle: 1s}", "assembly.setle", "did you mean assembly.settle?"),
        ("memory: 1GiB", "memory", "did you mean limits.memory?"),
        ("zebra: 1", "zebra", "`sidecheck config show` lists every key"),
        ("otlp: {grpc: {tls: {cert: x}}}", "otlp.grpc.tls.key", "is missing, but cert is given"),
        ("otlp: {http: {tls: {key: x}}}", "otlp.http.tls.cert", "is missing, but key is given"),
        ("api: {tls: {client_ca: x}}", "api.tls.cert", "is missing, but client_ca is given"),
        ("metrics: {token_file: 5}", "metrics.token_file", "5 must be the path of a file, or null"),
        ("allow_insecure: perhaps", "allow_insecure", "must be true or false"),
        ("limits: {header_timeout: 0}", "limits.header_timeout", "longer than 0"),
        ("assembly: {settle: soon}", "assembly.settle", "'soon' must be a duration such as 500ms"),
        ("assembly: {idle: 0}", "assembly.idle", "longer than 0"),
        ("limits: {memory: 5 parsecs}", "limits.memory", "must be a size such as 512KiB"),
        ("limits: {memory: true}", "limits.memory", "true must be a size"),
        ("otlp: {grpc: {listen: 4317}}", "otlp.grpc.listen", "4317 must be host:port"),
        ("otlp: {grpc: {listen: '::1:4317'}}", "otlp.grpc.listen", "[::1]:4317"),
        ("metrics: {max_series: 0}", "metrics.max_series", "whole number of at least 1"),
        ("workers: none", "workers", "must be auto"),
        ("promotion: {mode: of}", "promotion.mode", "must be one of 'review', 'auto' or 'off'"),
        ("promotion: {typical_rate: 1.5}", "promotion.typical_rate", "must be a number from 0 (none) to 1 (all)"),
        ("promotion: {typical_rate: often}", "promotion.typical_rate", "must be a number from 0 (none) to 1 (all)"),
        ("promotion: {typical_rate: true}", "promotion.typical_rate", "must be a number from 0 (none) to 1 (all)"),
        ("promotion: {redact: maybe}", "promotion.redact", "must be true or false"),
        ("data_dir: 5", "data_dir", "must be the path of a directory"),
        ("api: {trace_url: 'https://jaeger/'}", "api.trace_url", "{trace_id}"),
        ("store: {url: 'mysql://x/y'}", "store.url", "must be a database URL"),
        ("store: {url: 'sqlite://'}", "store.url", "must be a database URL"),
        ("store: {url: 'sqlite:///:memory:'}", "store.url", "must be a database URL"),
        ("limits: 5", "limits", "must be a section"),
        ("checks: [pii]", "checks", "must be a section with one key a check"),
        ("checks: {latency: 5}", "checks.latency", "with its options below"),
        ("checks: {latency: {max_tracee: 5}}", "checks.latency.max_tracee", "max_trace"),
        ("assembly: {settle: 1m}", "assembly.idle", "30s must be at least assembly.settle, which is 1m"),
        ("assembly: {idle: 1h}", "assembly.max_age", "10m must be at least assembly.idle, which is 1h"),
        ("metrics: {listen: 0.0.0.0:4318}", "metrics.listen", "is taken by otlp.http.listen"),
        ("otlp: {1: 2}", "otlp.1", "is no name of a key"),
    ],
)
def test_a_mistake_is_told_with_its_key_value_and_rule(refused, text, key, said):
    assert said in refused(text)[key]


def test_every_mistake_is_told_at_once_with_its_line(refused):
    problems = refused("workers: 0\nlimits:\n  memory: 1\n  request: x\nreslts: {}\n")
    assert set(problems) == {"workers", "limits.request", "reslts"}
    assert problems["limits.request"].endswith("sidecheck.yaml, line 4)")


def test_a_mistake_in_a_variable_names_the_variable(refused):
    problems = refused("workers: 2", SIDECHECK_WORKERS="x")
    assert problems["workers"].endswith("(environment variable SIDECHECK_WORKERS)")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SIDECHECK_METRICS_LISTEN", "did you mean metrics.listen?"),
        ("SIDECHECK_DATA_DIRR", "did you mean data_dir?"),
        ("SIDECHECK_DATA_DIR__X", "no such key"),
        ("SIDECHECK_CHECKS__", "no such key"),
        ("SIDECHECK_RESULTS__URL", "no such key"),
    ],
)
def test_a_variable_that_names_no_option_is_refused(refused, name, said):
    (problem,) = refused(**{name: "x"}).values()
    assert said in problem
    assert name in problem


def test_a_section_in_a_variable_that_is_no_yaml_is_refused(refused):
    assert "no valid YAML" in refused(SIDECHECK_OTLP="{")["otlp"]


def test_a_section_that_is_no_section_is_told_even_where_a_variable_sets_a_key_of_it(refused):
    assert "must be a section" in refused("otlp: nonsense", SIDECHECK_OTLP__GRPC__LISTEN="[::1]:1")["otlp"]


def test_a_password_is_not_repeated_in_an_error(refused):
    assert "secret" not in refused("store: {url: 'mysql://me:secret@h/x'}")["store.url"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b: c", "mapping values are not allowed here"),
        ("\n\nworkers: [", "line 3"),
        ("- workers", "must hold keys"),
        ("workers: 1\nworkers: 2", "twice"),
        ("workers: 2024-13-45", "no valid YAML"),
        ("workers: !!python/name:os.system", "no valid YAML"),
        ("workers: " + "[" * 5000, "nested too deep"),
        ("workers: " + "9" * 5000, "no valid YAML"),
        (b"\xff\xfe\x00", "no valid YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_in_one_sentence(refused, text, said):
    (problem,) = refused(text).values()
    assert said in problem
    assert "\n" not in problem


def test_keys_may_be_merged_from_an_anchor(read):
    settings = read("assembly: &a {settle: 1s, idle: 9s}\nlimits: {}\n")
    merged = read("otlp:\n  grpc: &g {listen: 127.0.0.1:1}\n  http: {<<: *g, listen: 127.0.0.1:2}\n")
    assert settings.assembly.settle == SECOND
    assert merged.otlp.http.listen.port == 2


def test_a_section_that_holds_itself_is_refused(refused):
    assert "no such key" in refused("limits: &l {inner: *l}")["limits.inner"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be read.*nowhere\.yaml"):
        load(tmp_path / "nowhere.yaml", {})


def test_the_defaults_call_for_no_warning():
    assert warnings(Settings()) == []


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("store: {url: 'postgresql://me:hidden@h/x'}", "store.password_file"),
        ("store: {url: 'postgresql://h/x?user=me&password=hidden'}", "store.password_file"),
        ("kafka: {consumer: {sasl_plain_password: hidden}}", "kafka.password_file"),
        ("forward: [{endpoint: 'http://a', headers: {Authorization: hidden}}]", "forward.0.headers_file"),
        ("results: {otlp: {endpoint: 'http://a', headers: {x-api-key: hidden}}}", "results.otlp.headers_file"),
        (
            "telemetry: {otlp: {endpoint: 'http://a', headers: {x-honeycomb-token: hidden}}}",
            "telemetry.otlp.headers_file",
        ),
    ],
)
def test_a_secret_in_the_configuration_is_warned_of_and_not_told(read, text, file):
    (warning,) = warnings(read(text))
    assert warning.endswith(file)
    assert "hidden" not in warning


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("{password_file: f}", "store.password_file", "is for PostgreSQL"),
        ("{url: 'sqlite:///a.db', password_file: f}", "store.password_file", "is for PostgreSQL"),
        ("{url: 'postgresql://me:hidden@h/x', password_file: f}", "store.url", "take it out of the address"),
        ("{url: 'postgresql://me@h/x', password_file: /no/such/file}", "store.password_file", "there is no file"),
    ],
)
def test_a_file_with_the_password_of_the_store_is_there_and_the_only_one(tmp_path, text, key, said):
    path = tmp_path / "sidecheck.yaml"
    path.write_text(f"store: {text}")
    with pytest.raises(ConfigError, match=said) as raised:
        load(path, {})
    assert [problem.key for problem in raised.value.problems] == [key]
    assert "hidden" not in str(raised.value)


each_port = pytest.mark.parametrize("section", ["otlp.grpc", "otlp.http", "api", "metrics"])
OPEN = ["0.0.0.0:9000", "[::]:9000", "10.0.0.7:9000", "sidecheck.example:9000"]


def at(section: str, **options: object) -> str:
    """A configuration with options of one section."""
    tree: object = options
    for part in reversed(section.split(".")):
        tree = {part: tree}
    return yaml.safe_dump(tree)


@each_port
@pytest.mark.parametrize("listen", OPEN)
def test_a_port_that_others_can_reach_is_refused_without_access_control(refused, section, listen):
    problem = refused(at(section, listen=listen))[f"{section}.listen"]
    assert problem.startswith(f"{section}.listen: {listen} can be reached by other machines")
    assert f"set {section}.token_file or {section}.tls.client_ca" in problem
    assert problem.endswith("line 2)" if section in ("api", "metrics") else "line 3)")


def test_every_port_that_is_open_is_told_at_once(refused):
    assert len(refused(at("api", listen=OPEN[0]) + at("metrics", listen="0.0.0.0:9001"))) == 2


@each_port
@pytest.mark.parametrize(
    "guard", [{"token_file": "t"}, {"tls": {"cert": "c", "key": "k", "client_ca": "a"}}], ids=["token", "client_ca"]
)
def test_a_port_that_others_can_reach_is_allowed_with_a_token_or_a_client_ca(read, section, guard):
    read(at(section, listen=OPEN[0], **guard))


def test_tls_alone_keeps_nobody_out(refused):
    assert refused(at("api", listen=OPEN[0], tls={"cert": "c", "key": "k"})).keys() == {"api.listen"}


@each_port
@pytest.mark.parametrize("listen", ["127.0.0.1:9000", "127.8.9.1:9000", "[::1]:9000", "localhost:9000"])
def test_a_port_of_this_machine_alone_needs_no_access_control(read, section, listen):
    read(at(section, listen=listen))


def test_access_for_all_is_allowed_where_it_is_asked_for_and_warned_of(read):
    (warning,) = warnings(read("allow_insecure: true\napi: {listen: 0.0.0.0:8321}"))
    assert warning.startswith("api.listen is 0.0.0.0:8321")
    assert "no access control (allow_insecure)" in warning


def test_a_token_that_goes_over_the_network_in_the_clear_is_warned_of(read):
    (warning,) = warnings(read("api: {listen: 0.0.0.0:8321, token_file: t}"))
    assert warning.endswith("without TLS: its token can be read on the way; set api.tls")
    assert warnings(read("api: {listen: 0.0.0.0:8321, token_file: t, tls: {cert: c, key: k}}")) == []


def test_files_are_paths_and_null_is_none(read):
    settings = read("api: {token_file: ~/token, tls: null}\notlp: {grpc: {token_file: null}}")
    assert settings.api.token_file == Path.home() / "token"
    assert settings.api.tls.cert is None
    assert settings.otlp.grpc.token_file is None


def test_a_memory_limit_below_one_request_is_warned_of(read):
    found = " ".join(warnings(read("limits: {memory: 1MiB, request: 2MiB}\nassembly: {max_bytes: 1MiB}")))
    assert "limits.request is 2MiB, more than limits.memory (1MiB)" in found


def test_the_sample_file_holds_every_option_with_its_default(read):
    text = (Path(__file__).parents[2] / "deploy" / "sidecheck.yaml").read_text()
    assert read(text) == Settings()
    assert _keys(yaml.safe_load(text)) == _keys(yaml.safe_load(as_yaml(Settings())))


def _keys(tree: object, path: str = "") -> list[str]:
    if not isinstance(tree, dict) or not tree:
        return [path]
    return sorted(key for name, below in tree.items() for key in _keys(below, f"{path}.{name}"))
