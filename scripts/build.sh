#!/bin/sh
# Writes dist/wherry, one executable. --baseline: for processors without AVX2.
set -eu
cd "$(dirname "$0")/.."
. scripts/bootstrap.sh
exec bun scripts/build.ts "$@"
