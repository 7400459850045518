"""The board *Quality*: what went wrong with the answers, and where."""

from expressions import OR_ZERO, growth, rate, share
from frame import board, pages, service, values
from panels import GREEN, NONE_IS_GOOD, ORANGE, PASS_RATE, RATE, RED, SHARE, Query, Steps, graph, listing, number

_SERVICE = 'service=~"$service"'
_SCOPE = f'{_SERVICE},check=~"$check"'
RESULTS = f"sidecheck_check_results_total{{{_SCOPE}}}"
PASSED = f'sidecheck_check_results_total{{{_SCOPE},outcome="passed"}}'
FAILED = f'sidecheck_check_results_total{{{_SCOPE},outcome="failed"}}'
DECIDED = f'sidecheck_check_results_total{{{_SCOPE},outcome=~"passed|failed"}}'
BY_MODEL = 'sidecheck_model_check_results_total{check=~"$check"}'
PASSED_BY_MODEL = 'sidecheck_model_check_results_total{check=~"$check",outcome="passed"}'
FINDINGS = f"sidecheck_findings_total{{{_SCOPE}}}"
LEAKS = f'sidecheck_findings_total{{{_SERVICE},check="pii",code!="not_fully_scanned"}}'
FEEDBACK = f"sidecheck_user_feedback_total{{{_SERVICE}}}"
DOWN = f'sidecheck_user_feedback_total{{{_SERVICE},value="down"}}'
THUMBS = f'sidecheck_user_feedback_total{{{_SERVICE},value=~"up|down"}}'
CLUSTERS = f"sidecheck_failure_clusters_total{{{_SERVICE}}}"

GLANCE = (
    number(
        "Pass rate",
        "Passed of all decided results. What did not apply or broke is not among them.",
        share(growth(PASSED), growth(DECIDED)),
        SHARE,
        PASS_RATE,
    ),
    number(
        "Traces judged",
        "Each once, however often it was judged.",
        growth(f"sidecheck_traces_evaluated_total{{{_SERVICE}}}"),
    ),
    number(
        "Failing traces",
        "Traces that some check failed.",
        growth(f"sidecheck_flagged_traces_total{{{_SERVICE}}}") + OR_ZERO,
        steps=Steps(GREEN, ((1, ORANGE),)),
    ),
    number(
        "Personal data found",
        "Findings of the check pii in answers.",
        growth(LEAKS) + OR_ZERO,
        steps=NONE_IS_GOOD,
    ),
    number(
        "Thumbs down",
        "Of all thumbs. Comments without a score are not among them.",
        share(growth(DOWN), growth(THUMBS)),
        SHARE,
        Steps(GREEN, ((0.1, ORANGE), (0.3, RED))),
    ),
    number(
        "New kinds of failure",
        "Failures whose checks, codes and input are like none before.",
        growth(CLUSTERS) + OR_ZERO,
        steps=Steps(GREEN, ((1, ORANGE),)),
    ),
)
VERDICTS = (
    graph(
        "Pass rate by check",
        "Passed of decided. A dot is a trace: it opens its page.",
        Query(share(rate(PASSED, "check"), rate(DECIDED, "check")), "{{check}}", exemplar=True),
        unit=SHARE,
        most=1,
    ),
    graph(
        "Failures by check and service",
        "Failed results a second. A dot is a failing trace: it opens its page. A line leads to the list of them.",
        Query(rate(FAILED, "service", "check"), "{{service}} {{check}}", exemplar=True),
        unit=RATE,
        stacked=True,
        leads_to={
            "outcome": "failed",
            "service": "${__field.labels.service:percentencode}",
            "check": "${__field.labels.check:percentencode}",
        },
    ),
    graph(
        "Pass rate by model",
        "Of all services, by the model that wrote the answer. Did a change of the model change the answers?",
        Query(share(rate(PASSED_BY_MODEL, "model", "check"), rate(BY_MODEL, "model", "check")), "{{model}} {{check}}"),
        unit=SHARE,
        most=1,
    ),
    graph(
        "Pass rate of the last hour, and the day's",
        "What the alert SidecheckCheckFailing compares: the last hour with the day before.",
        Query(f"service_check:sidecheck_passed:ratio_rate1h{{{_SCOPE}}}", "{{service}} {{check}}"),
        Query(f"service_check:sidecheck_passed:ratio_rate1d{{{_SCOPE}}}", "{{service}} {{check}}, day"),
        unit=SHARE,
        most=1,
    ),
    graph(
        "Results by outcome",
        "not_applicable: the check had nothing to judge. errored and timed_out: the check broke.",
        Query(rate(RESULTS, "outcome"), "{{outcome}}"),
        unit=RATE,
        stacked=True,
    ),
)
FAILURES = (
    listing(
        "Top finding codes",
        "What checks found most in the time shown; each leads to its traces. The codes are in checks/README.md.",
        f"topk(15, {growth(FINDINGS, 'service', 'check', 'code')}) > 0",
        leads_to={
            "service": "${__data.fields.service:percentencode}",
            "check": "${__data.fields.check:percentencode}",
            "code": "${__data.fields.code:percentencode}",
        },
    ),
    graph(
        "Findings by code",
        "Findings a second.",
        Query(f"topk(10, {rate(FINDINGS, 'check', 'code')})", "{{check}} {{code}}", exemplar=True),
        unit=RATE,
    ),
)
USERS = (
    graph(
        "Feedback",
        "What users said, an hour.",
        Query(rate(FEEDBACK, "value") + " * 3600", "{{value}}"),
        stacked=True,
    ),
    graph(
        "Share of thumbs down",
        "Over 6 hours, and over the week that the alert SidecheckFeedbackTurning compares them with.",
        Query(f"service:sidecheck_thumbs_down:ratio_rate6h{{{_SERVICE}}}", "{{service}}"),
        Query(f"service:sidecheck_thumbs_down:ratio_rate7d{{{_SERVICE}}}", "{{service}}, week"),
        unit=SHARE,
        most=1,
    ),
    graph(
        "Cases",
        "Candidates wait for a reviewer, promoted ones are in the dataset. Replicas with one store show the same.",
        Query("max by (instance, status) (sidecheck_cases)", "{{status}} {{instance}}"),
    ),
    graph(
        "New kinds of failure, over time",
        "An hour. The page Review has their traces.",
        Query(f"{rate(CLUSTERS, 'service')} * 3600{OR_ZERO}", "{{service}}"),
    ),
    graph(
        "Verdicts that changed",
        "Decided results that a later span or feedback turned over, a second.",
        Query(
            rate(f"sidecheck_verdict_changes_total{{{_SCOPE}}}", "check", "before", "after") + OR_ZERO,
            "{{check}} {{before}} to {{after}}",
        ),
        unit=RATE,
    ),
)

BOARD = board(
    "quality",
    "Quality",
    "Verdicts on what the app answered.",
    (("At a glance", GLANCE), ("Verdicts", VERDICTS), ("What fails", FAILURES), ("Users and cases", USERS)),
    service(),
    values("check", "Check", 'label_values(sidecheck_check_results_total{service=~"$service"}, check)'),
    pages(),
)
