#!/bin/sh
# Everything that is checked of the page. What is missing on this machine is said, and skipped.
set -eu
cd "$(dirname "$0")"
if ! command -v npm >/dev/null 2>&1; then
    echo "skipped: npm is not installed"
    exit 0
fi
if ! npm ci --no-audit --no-fund --silent; then
    echo "skipped: what the checks need cannot be fetched"
    exit 0
fi
npm run --silent check
npm run --silent test
npm run --silent e2e
