#!/usr/bin/env bash
# Bring a real Apache Kafka (fetch.sh 3.9.1) into a cache outside the checkout, once; print the folder with its jars.
set -euo pipefail
version="$1"
here="$(cd "$(dirname "$0")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/sidecheck/kafka"
jars="$cache/$version-with-tools"
if [ ! -d "$jars" ]; then
    mkdir -p "$cache"
    new="$(mktemp -d "$cache/new.XXXXXX")"
    trap 'rm -rf "$new"' EXIT
    mvn --quiet --batch-mode --file "$here/pom.xml" -Dkafka.version="$version" -DincludeScope=runtime \
        -DoutputDirectory="$new/jars" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies >&2
    mv -T "$new/jars" "$jars" 2>/dev/null || [ -d "$jars" ] # another run may have been quicker
fi
echo "$jars"
