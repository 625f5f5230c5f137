#!/bin/sh
# Every test that CI runs, from a bare Debian or Ubuntu with Node 20 and npm. Ends with "N passed, N failed".
set -eu
cd "$(dirname "$0")/.."
. scripts/bootstrap.sh
exec bun scripts/test.ts "$@"
