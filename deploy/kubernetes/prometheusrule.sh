#!/bin/sh
# The rules and alerts of deploy/prometheus/rules for the Prometheus operator, a PrometheusRule for each file:
#
#   deploy/kubernetes/prometheusrule.sh | kubectl apply -f -
#
# If yours selects rules by labels (ruleSelector), give one: prometheusrule.sh release=prometheus
# RUNBOOKS=https://... says where deploy/prometheus/runbooks.md is to be read, for the links in alerts. Without it they go by
# the external label sidecheck_runbooks of your Prometheus.
set -eu
link='&' # what is there already
[ -z "${RUNBOOKS:-}" ] || link=$(printf '%s' "$RUNBOOKS" | sed 's/[\\&|]/\\&/g')
cd "$(dirname "$0")/../prometheus/rules"
for file in *.yaml; do
    name=$(basename "$file" .yaml)
    printf -- '---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n'
    printf '  name: sidecheck-%s\n' "$name"
    [ $# -eq 0 ] || printf '  labels: {"%s": "%s"}\n' "${1%%=*}" "${1#*=}"
    printf 'spec:\n'
    sed -e "s|{{ or \$externalLabels[^}]*}}|$link|" -e 's/^\(.\)/  \1/' "$file"
done
