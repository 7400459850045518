#!/bin/sh
# The rules and alerts of deploy/prometheus/rules for the Prometheus operator, a PrometheusRule for each file:
#
#   deploy/kubernetes/prometheusrule.sh | kubectl apply -f -
#
# If yours selects rules by labels (ruleSelector), give one: prometheusrule.sh release=prometheus
set -eu
cd "$(dirname "$0")/../prometheus/rules"
for file in *.yaml; do
    name=$(basename "$file" .yaml)
    printf -- '---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n'
    printf '  name: sidecheck-%s\n' "$name"
    [ $# -eq 0 ] || printf '  labels: {"%s": "%s"}\n' "${1%%=*}" "${1#*=}"
    printf 'spec:\n'
    sed 's/^\(.\)/  \1/' "$file"
done
