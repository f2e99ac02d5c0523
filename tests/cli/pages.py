# SPDX-License-Identifier: Apache-2.0
# docs/methods/ says what the tables say.
from common import *

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "methods")


def pages_of_methods():
    names = [l.split()[0] for l in run("describe", "methods").out.splitlines()[1:]]
    check("a page for each method, and no other", sorted(n + ".md" for n in names) == sorted(os.listdir(DOCS)), (names, sorted(os.listdir(DOCS))))
    for name in names:
        page = os.path.join(DOCS, name + ".md")
        check(f"{name}.md is up to date (sh scripts/methods.sh)", os.path.exists(page) and open(page, encoding="utf-8").read() == run("describe", "methods", name).out, "")


CASES = [pages_of_methods]
