# SPDX-License-Identifier: Apache-2.0
"""Report pages in a headless Chromium: main.py LIMBECK [PAGE.html...] [--shots FOLDER]. Without pages, one is made of tests/data/report and one of
the same runs without scores. Each is loaded at the
width of a desk and of a phone, light and dark; an error on the console or a failed step of page.js fails. Then each is printed to PDF, light and dark: all its
headings and rows are on white sheets, the tools of the screen are not."""
import argparse, html, json, os, re, shutil, subprocess, sys, tempfile, unicodedata, zlib

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


def unpacked(pdf):
    """The streams of a PDF as Chromium writes it: object number -> bytes."""
    found = {}
    for m in re.finditer(rb"(\d+) 0 obj\s*<<((?:(?!endobj).)*?)>>\s*stream\r?\n(.*?)\r?\nendstream", pdf, re.S):
        if b"FlateDecode" in m[2] and b"/Subtype /Image" not in m[2]: found[int(m[1])] = zlib.decompress(m[3])
    return found


def letters(cmap):
    """What the glyphs of a font stand for, from its ToUnicode map."""
    text = lambda code: bytes.fromhex(code).decode("utf-16-be")
    table = {}
    for block in re.findall(r"beginbfchar(.*?)endbfchar", cmap, re.S):
        for glyph, code in re.findall(r"<(\w+)> <(\w+)>", block): table[int(glyph, 16)] = text(code)
    for block in re.findall(r"beginbfrange(.*?)endbfrange", cmap, re.S):
        for first, last, code in re.findall(r"<(\w+)> <(\w+)> <(\w+)>", block):
            for g in range(int(first, 16), int(last, 16) + 1): table[g] = text("%04X" % (int(code, 16) + g - int(first, 16)))
    return table


def sheets(pdf):
    """Of each page its drawing commands and its text without spaces."""
    streams = unpacked(pdf)
    fonts = {int(n): letters(streams[int(m)].decode("latin-1")) for n, m in re.findall(rb"(\d+) 0 obj\s*<</Type /Font\n[^>]*?/ToUnicode (\d+) 0 R", pdf, re.S)}
    for resources, contents in re.findall(rb"/Type /Page\b.*?/Resources <<(.*?)/Contents (\d+) 0 R", pdf, re.S):
        names = {n.decode(): int(o) for n, o in re.findall(rb"/(F\d+) (\d+) 0 R", resources)}
        commands, words, font = streams[int(contents)].decode("latin-1"), [], {}
        for name, run in re.findall(r"/(F\d+) [\d.]+ Tf|((?:<[0-9A-Fa-f]+>|\[[^\]]*\]) ?T[jJ])", commands):
            if name: font = fonts.get(names.get(name), {})
            for glyphs in re.findall(r"<([0-9A-Fa-f]+)>", run): words += [font.get(int(glyphs[i:i + 4], 16), "?") for i in range(0, len(glyphs), 4)]
        yield commands, "".join("".join(words).split())


def try_print(page, name):
    with open(page) as f: text = f.read()
    plain = lambda t: "".join(html.unescape(re.sub("<[^>]*>", "", t)).split())
    wanted = {plain(t) for t in re.findall(r"<h[12][^>]*>.*?</h[12]>|<t[dh][^>]*>.*?</t[dh]>", text, re.S)}
    headings = {plain(t) for t in re.findall(r"<h2[^>]*>.*?</h2>", text, re.S)}
    for dark in (False, True):
        path = os.path.join(root, "page.pdf")
        browser(page, 1100, dark, "--no-pdf-header-footer", "--print-to-pdf=" + path)
        with open(path, "rb") as f: found = list(sheets(f.read()))
        label = f"{name}, printed{' from dark' if dark else ''}"
        check(f"{label}: sheets", found)
        printed = unicodedata.normalize("NFKC", "".join(t for _, t in found))  # ligatures
        for one in sorted(wanted): check(f"{label}: {one}", one in printed)
        check(f"{label}: no tools of the screen", not set("\u2190\u2192") & set(printed))
        for i, (_, t) in enumerate(found): check(f"{label}: sheet {i + 1} ends in no heading", not any(t.endswith(h) for h in headings), t[-60:])
        for commands, _ in found: check(f"{label}: white paper", re.search(r"([\d.]+) ([\d.]+) ([\d.]+) rg\b", commands)[0] == "1 1 1 rg")


def without_scores(run, to):
    """A run as it is before any evaluation."""
    os.makedirs(to)
    with open(os.path.join(run, "summary.json")) as f: summary = json.load(f)
    with open(os.path.join(to, "summary.json"), "w") as f: json.dump({k: v for k, v in summary.items() if k != "scores"}, f)
    with open(os.path.join(run, "log.jsonl")) as f, open(os.path.join(to, "log.jsonl"), "w") as g: g.writelines(l for l in f if '"scores"' not in l)


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
        pages = [os.path.join(root, "report.html"), os.path.join(root, "unscored.html")]
        folders = [d for d in sorted(os.listdir(runs)) if os.path.isdir(os.path.join(runs, d))]
        for d in folders: without_scores(os.path.join(runs, d), os.path.join(root, d))
        for parent, page in zip((runs, root), pages): subprocess.run([args.limbeck, "report", *(os.path.join(parent, d) for d in folders), "--out", page], check=True)
    for page in pages:
        name = os.path.splitext(os.path.basename(page))[0]
        try_page(page, name)
        try_print(page, name)
finally:
    shutil.rmtree(root, ignore_errors=True)
print("%d passed, %d failed, 0 skipped" % (counts["passed"], counts["failed"]))
sys.exit(counts["failed"] > 0)
