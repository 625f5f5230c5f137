#!/bin/sh
# A node on this machine, with nginx behind a Service: see it work. --down stops it and removes what it made.
set -eu
cd "$(dirname "$0")/.."
. scripts/bootstrap.sh
exec bun scripts/demo.ts "$@"
