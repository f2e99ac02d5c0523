#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# browser.sh [PAGE.html...] [--shots FOLDER]: report pages in a headless Chromium (Debian package chromium, which is not needed for anything else): no
# error on the console; sorting, filtering and zooming work; nothing is wider than a phone; dark mode; printing to PDF. Without pages: one made of tests/data/report.
set -eu
cd "$(dirname "$0")/.."
exec /usr/bin/python3 tests/browser/main.py "${LIMBECK:-build/limbeck}" "$@"
