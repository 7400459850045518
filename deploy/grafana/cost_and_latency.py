"""The board *Cost and latency*: how long answers took, and what they took."""

from expressions import OR_ZERO, growth, quantile, rate, share
from frame import board, service
from panels import DOLLARS, GREEN, ORANGE, RED, SECONDS, SHARE, Query, Steps, bars, graph, number, spread

_SERVICE = 'service=~"$service"'
DURATION = f"sidecheck_trace_duration_seconds_bucket{{{_SERVICE}}}"
FIRST_TOKEN = f"sidecheck_time_to_first_token_seconds_bucket{{{_SERVICE}}}"
TOKENS = f"sidecheck_tokens_total{{{_SERVICE}}}"
INPUT = f'sidecheck_tokens_total{{{_SERVICE},direction="input"}}'
CACHED = f'sidecheck_tokens_total{{{_SERVICE},direction="cached_input"}}'
BOTH_WAYS = f'sidecheck_tokens_total{{{_SERVICE},direction=~"input|output"}}'
COST = f"sidecheck_cost_dollars_total{{{_SERVICE}}}"
BUDGET = f"sidecheck_budget_dollars{{{_SERVICE}}}"
BUDGET_SPENT = f"sidecheck_budget_spent_dollars{{{_SERVICE}}}"
BUDGET_USED = f"max by (service) ({BUDGET_SPENT}) / max by (service) ({BUDGET})"
NEARLY_SPENT = Steps(GREEN, ((0.8, ORANGE), (1, RED)))
"""Where alerts tell of it."""
TRACE_COST = f"sidecheck_trace_cost_dollars_bucket{{{_SERVICE}}}"
TRACES = f"sidecheck_traces_evaluated_total{{{_SERVICE}}}"

GLANCE = (
    number("Spent", "In the time that is shown, by models that have a price.", growth(COST), DOLLARS),
    number(
        "A month at this pace",
        "Thirty days of what the time that is shown took.",
        f"sum (rate({COST}[$__range])) * 30 * 86400",
        DOLLARS,
    ),
    number("A trace", "What a trace cost, of all that were judged.", share(growth(COST), growth(TRACES)), DOLLARS),
    number(
        "Most of a budget",
        "That some service used since midnight (UTC), of those that have one in the option budgets.",
        f"max({BUDGET_USED})",
        SHARE,
        NEARLY_SPENT,
    ),
    number(
        "Calls without a cost, in all",
        "Of all services. They are in no sum of dollars.",
        growth("sidecheck_unpriced_calls_total") + OR_ZERO,
        steps=Steps(GREEN, ((1, ORANGE),)),
    ),
    number(
        "Cached input",
        "Of all input tokens. It is the cheaper part.",
        share(growth(CACHED), growth(INPUT)),
        SHARE,
    ),
)
LATENCY = (
    graph(
        "Trace duration",
        "How long the app took: half, 95 and 99 of a hundred traces were faster. A dot is a trace: it opens its page.",
        Query(quantile(0.5, DURATION, "service"), "{{service}} p50"),
        Query(quantile(0.95, DURATION, "service"), "{{service}} p95"),
        Query(quantile(0.99, DURATION, "service"), "{{service}} p99", exemplar=True),
        unit=SECONDS,
    ),
    spread(
        "Trace durations",
        "How many traces took how long. Two bands are two kinds of answer.",
        Query(f"sum by (le) (increase({DURATION}[$__rate_interval]))", "{{le}}"),
    ),
    graph(
        "Time to first token, by model",
        "Of streaming model calls. It tells a slow provider from a slow app.",
        Query(quantile(0.5, FIRST_TOKEN, "model"), "{{model}} p50"),
        Query(quantile(0.95, FIRST_TOKEN, "model"), "{{model}} p95", exemplar=True),
        unit=SECONDS,
    ),
    graph(
        "Traces that were too slow",
        "By the limits of the check latency. The line is the objective of the alerts, 1 of a hundred.",
        Query(f"service:sidecheck_slow:ratio_rate1h{{{_SERVICE}}}", "{{service}}, 1 h"),
        Query(f"service:sidecheck_slow:ratio_rate6h{{{_SERVICE}}}", "{{service}}, 6 h"),
        unit=SHARE,
        steps=Steps(GREEN, ((0.01, RED),)),
    ),
)
USED = (
    graph(
        "Tokens an hour, by model",
        "As the provider counted them. input includes cached_input.",
        Query(rate(TOKENS, "model", "direction") + " * 3600", "{{model}} {{direction}}"),
    ),
    graph(
        "Tokens an hour, by service",
        "Input and output, at the pace of the last hour.",
        Query(
            f'sum by (service) (service_model:sidecheck_tokens:increase1h{{{_SERVICE},direction=~"input|output"}})',
            "{{service}}",
        ),
        stacked=True,
    ),
    graph(
        "Input that was cached",
        "Cached of all input tokens. It falls when the beginning of a prompt changes.",
        Query(share(rate(CACHED, "model"), rate(INPUT, "model")), "{{model}}"),
        unit=SHARE,
        most=1,
    ),
    bars(
        "Tokens a trace",
        "Input and output over the traces judged, in the time that is shown.",
        Query(share(growth(BOTH_WAYS, "service"), growth(TRACES, "service")), "{{service}}"),
    ),
)
SPENT = (
    graph(
        "Dollars an hour, by model",
        "By the list of prices and those of the option prices. A dot is a trace: it opens its page.",
        Query(rate(COST, "model") + " * 3600", "{{model}}", exemplar=True),
        unit=DOLLARS,
        stacked=True,
    ),
    graph(
        "Dollars an hour, by service",
        "At the pace of the last hour.",
        Query(f"sum by (service) (service_model:sidecheck_cost_dollars:increase1h{{{_SERVICE}}})", "{{service}}"),
        unit=DOLLARS,
        stacked=True,
    ),
    graph(
        "Used of the day's budget",
        "Of services that have one in the option budgets, since midnight (UTC). The lines are where people are told.",
        Query(BUDGET_USED, "{{service}}"),
        unit=SHARE,
        steps=NEARLY_SPENT,
    ),
    graph(
        "Spent today, and the budgets",
        "Since midnight (UTC), of services that have a budget.",
        Query(f"max by (service) ({BUDGET_SPENT})", "{{service}}"),
        Query(f"max by (service) ({BUDGET})", "{{service}}, budget"),
        unit=DOLLARS,
    ),
    graph(
        "What a trace costs",
        "Half, 95 and 99 of a hundred traces with a price cost less. A dot is a trace: it opens its page.",
        Query(quantile(0.5, TRACE_COST, "service"), "{{service}} p50"),
        Query(quantile(0.95, TRACE_COST, "service"), "{{service}} p95"),
        Query(quantile(0.99, TRACE_COST, "service"), "{{service}} p99", exemplar=True),
        unit=DOLLARS,
    ),
    bars(
        "Dollars for a hundred traces",
        "Over the traces judged, in the time that is shown.",
        Query(share(growth(COST, "service"), growth(TRACES, "service")) + " * 100", "{{service}}"),
        unit=DOLLARS,
    ),
    graph(
        "Calls without a cost",
        "An hour. They are in no sum of dollars: the model has no price, or the app records no tokens.",
        Query(f"{rate('sidecheck_unpriced_calls_total', 'model')} * 3600{OR_ZERO}", "{{model}}"),
    ),
)
CHECKING = (
    graph(
        "Check duration",
        "On one trace, 95 of a hundred were faster. No check delays the app.",
        Query(quantile(0.95, "sidecheck_check_duration_seconds_bucket", "check"), "{{check}}"),
        unit=SECONDS,
    ),
    graph(
        "Cores that checks take",
        "Seconds of checking a second.",
        Query(rate("sidecheck_check_duration_seconds_sum", "check"), "{{check}}"),
        stacked=True,
    ),
)

BOARD = board(
    "cost-and-latency",
    "Cost and latency",
    "What answers take.",
    (
        ("At a glance", GLANCE),
        ("Cost", SPENT),
        ("Latency", LATENCY),
        ("Tokens", USED),
        ("What checking takes", CHECKING),
    ),
    service(),
)
