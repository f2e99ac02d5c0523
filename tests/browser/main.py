# SPDX-License-Identifier: Apache-2.0
"""Report pages in a headless Chromium: main.py LIMBECK [PAGE.html...] [--shots FOLDER]. Without pages, one is made of tests/data/report. Each is loaded at the
width of a desk and of a phone, light and dark; an error on the console or a failed step of page.js fails."""
import argparse, html, os, re, shutil, subprocess, sys, tempfile

here = os.path.dirname(os.path.abspath(__file__))
runs = os.path.join(here, "../data/report")
VIEWS = [("desk", 1100, False), ("desk-dark", 1100, True), ("phone", 390, False)]
counts = {"passed": 0, "failed": 0}


def check(name, ok, text=""):
    counts["passed" if ok else "failed"] += 1
    if not ok: print("FAIL", name, text, flush=True)


def browser(page, width, dark, *more):
    words = [args.chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr", "--virtual-time-budget=5000", f"--user-data-dir={root}/profile",
             f"--window-size={width},2000", *(["--blink-settings=preferredColorScheme=0"] if dark else []), *more, "file://" + os.path.abspath(page)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    return done.stdout, [l for l in done.stderr.splitlines() if ":CONSOLE" in l]


def try_page(page, name):
    with open(page) as f: text = f.read()
    with open(os.path.join(here, "page.js")) as f: script = f.read()
    copy = os.path.join(root, "copy.html")
    with open(copy, "w") as f: f.write(text.replace("</body>", f"<script>{script}</script></body>"))
    for view, width, dark in VIEWS:
        dom, console = browser(copy, width, dark, "--dump-dom")
        check(f"{name}, {view}: console is silent", not console, "\n".join(console))
        said = re.search(r'<pre id="said">(.*?)</pre>', dom, re.S)
        lines = html.unescape(said[1]).splitlines() if said else []
        check(f"{name}, {view}: the script ran to its end", len(lines) > 10, dom[-300:])
        for line in lines: check(f"{name}, {view}: {line}", not line.startswith("FAIL"))
        colour = re.search(r"background rgb\((\d+),.*?in (\w+)", "\n".join(lines))
        check(f"{name}, {view}: colours follow the system", colour and (colour[2] == "dark") == dark and (int(colour[1]) < 60) == dark, colour and colour[0])
        if args.shots:
            os.makedirs(args.shots, exist_ok=True)
            browser(page, width, dark, f"--screenshot={os.path.abspath(args.shots)}/{name}-{view}.png")


parser = argparse.ArgumentParser()
parser.add_argument("limbeck")
parser.add_argument("pages", nargs="*")
parser.add_argument("--shots", help="folder for screenshots")
parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome"))
args = parser.parse_args()
if not args.chromium: sys.exit("browser: no Chromium (Debian: apt-get install chromium)")
root = tempfile.mkdtemp(prefix="limbeck-browser-")
try:
    pages = args.pages
    if not pages:
        pages = [os.path.join(root, "report.html")]
        subprocess.run([args.limbeck, "report", *(os.path.join(runs, d) for d in sorted(os.listdir(runs)) if os.path.isdir(os.path.join(runs, d))), "--out", pages[0]], check=True)
    for page in pages: try_page(page, os.path.splitext(os.path.basename(page))[0])
finally:
    shutil.rmtree(root, ignore_errors=True)
print("%d passed, %d failed, 0 skipped" % (counts["passed"], counts["failed"]))
sys.exit(counts["failed"] > 0)
