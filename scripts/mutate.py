#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Do the tests fail when the code is wrong? Makes one small change at a time in a copy of the tree, builds, runs the suites, and tells
which changes no test sees. Each is either without effect (a threshold of speed, a bound that is never reached) or asks for a test.

    scripts/mutate.py [--seed N] [--each N] [--copy FOLDER] [--log FILE] [--list] FILE...

FILE: sources of tensor/, nn/, fusion/, distill/, or of a folder of OUTSIDE below. --each: changes a file (3). --copy: where the tree is copied to and built (kept, so that the
next run starts at once). --log: a line for each change, appended. --list: only print the changes. The last line is `N seen, N survived, N not compiled`."""
import argparse
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# ---- changes ----

def number(m):
    text = m.group(0)
    return str(int(text) + 1) if text.isdigit() else text.replace('.', '.1', 1) if '.' in text else None

OTHER = {'<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '==', '&&': '||', '||': '&&', ' + ': ' - ', ' - ': ' + ', ' * ': ' / ', ' / ': ' * ', '+=': '-=', '-=': '+=',
         'fmax': 'fmin', 'fmin': 'fmax', '_max_': '_min_', '_min_': '_max_', '_add_': '_sub_', '_sub_': '_add_', '_fmadd_': '_fnmadd_', 'true': 'false', 'false': 'true'}

CONDITION = r'\bif \(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)'

# name, what it finds, what it becomes; a group of a name is dropped or moved.
RULES = [
    ('sign', r' [-+*/] (?=[\w(])', lambda m: OTHER[m.group(0)]),
    ('bound', r'(?<=\w )(<=|>=|<|>)(?= [\w(-])', lambda m: OTHER[m.group(0)]),
    ('equal', r'(==|!=)', lambda m: OTHER[m.group(0)]),
    ('logic', r'(&&|\|\|)', lambda m: OTHER[m.group(0)]),
    ('accumulate', r'(\+=|-=)', lambda m: OTHER[m.group(0)]),
    ('overwrite', r'\+=', lambda m: '='),
    ('number', r'(?<![\w.])(\d+\.\d+|\d+)(?![\w.])', number),
    ('bool', r'\b(true|false)\b', lambda m: OTHER[m.group(0)]),
    ('extreme', r'(\bfmax|\bfmin|_max_(?=p)|_min_(?=p))', lambda m: OTHER[m.group(0)]),
    ('lanes', r'(_add_(?=p)|_sub_(?=p)|_fmadd_)', lambda m: OTHER[m.group(0)]),
    ('term', r' [-+] [\w.>\[\]-]+(?=[;,)])', lambda m: ''),
    ('factor', r' \* [\w.>\[\]-]+(?=[;,)])', lambda m: ''),
    ('swap', r'(?<=\()(\w[\w.>\[\]-]*), (\w[\w.>\[\]-]*)(?=[,)])', lambda m: m.group(2) + ', ' + m.group(1) if m.group(1) != m.group(2) else None),
    ('index', r'\[([a-z0-9]\w*)\]', lambda m: '[%s + 1]' % m.group(1)),
    ('choice', r' \? ([^?:;,]+) : ([^?:;,]+)(?=[;,)])', lambda m: ' ? %s : %s' % (m.group(2), m.group(1))),
    ('branch', CONDITION, lambda m: 'if (false && (%s))' % m.group(1)),
    ('always', CONDITION, lambda m: 'if (true || (%s))' % m.group(1)),
    ('drop', r'(?<=^)( +)(?!return|break|continue|goto)[\w*][^={}]*(\([^{}]*\)|[-+*]?= [^{}]*);$', lambda m: m.group(1) + ';' if not DECLARES.match(m.group(0)) else None),
    ('narrow', r'\bdouble (?=\w+ = )', lambda m: 'float '),
]
DECLARES = re.compile(r' *(const |static |struct |enum |unsigned |[a-z_0-9]+(_t)? \*?\w+[ ,;=\[]|lb_\w+ \**\w+[ ,;=\[])')
# More memory than is needed, and hints.
HARMLESS = re.compile(r'\blb_(alloc|calloc|scratch)|\blb_alloc_aligned|__builtin_prefetch')

def masked(text):
    """The text with everything that is no code blanked: comments, strings, preprocessor lines, tables of cases and of parameters."""
    blank = lambda m: re.sub(r'[^\n]', ' ', m.group(0))
    for what in [r'/\*.*?\*/', r'//[^\n]*', r'"(\\.|[^"\\\n])*"', r"'(\\.|[^'\\\n])+'", r'(?m)^ *#([^\n]*\\\n)*[^\n]*', r'(?ms)^static const (lb_op_case|lb_param) .*?\};', r'(?ms)^LB_(OP|METHOD|BLOCK)\(.*?\};']:
        text = re.sub(what, blank, text, flags=re.S)
    return text

def changes(path):
    """(rule, line, start, end, new text) for every place that a rule fits."""
    text = open(path).read()
    code, found, at = masked(text), [], 0
    for line, row in enumerate(code.split('\n'), 1):
        for name, what, becomes in RULES if not HARMLESS.search(row) else []:
            for m in re.finditer(what, row):
                new = becomes(m)
                if new is not None and new != m.group(0):
                    found.append((name, line, at + m.start(), at + m.end(), new))
        at += len(row) + 1
    return text, found

def choose(found, many, rng):
    """Each rule is as likely as another, so that the rare ones come too."""
    taken = []
    while found and len(taken) < many:
        name = rng.choice(sorted({f[0] for f in found}))
        one = rng.choice([f for f in found if f[0] == name])
        taken.append(one)
        found = [f for f in found if f is not one and (f[1] != one[1] or f[0] != one[0])]
    return taken

# ---- suites ----

# Of sources that are no maths of tensors: the suites that look at them.
OUTSIDE = {'audio': ['mel', 'audio', 'encode-audio'], 'eval': ['eval'], 'onnx': ['onnx'], 'text': ['tokenizers', 'tokenizer'], 'vision': ['preprocess', 'augment', 'archs']}

def suites(path):
    """Groups of (program and arguments, environment), the quick and likely ones first."""
    def tests(names, **env):
        return [(['test-' + name], env) for name in names]
    small = ['torch', 'torch32', 'last', 'conv-parts', 'tape', 'nn', 'nn-blocks', 'nn-pictures', 'train', 'derived', 'special', 'refused', 'method-refused', 'method-steps', 'nn-refused', 'nn-sizes', 'half']
    large, levels = ['sums', 'products', 'ops32', 'kernels'], ['avx2', 'avx512', 'blas', 'ref', 'bf16']
    folder = path.split('/')[0]
    if folder in OUTSIDE:
        yield tests(OUTSIDE[folder])
        yield [(['/usr/bin/python3', 'tests/cli/main.py'], {})]
        return
    if path.startswith('tensor/ops/'):
        op = os.path.basename(path)[:-2]
        yield [(['test-' + name, op], {}) for name in ('torch', 'ops', 'torch32', 'ops32')]
    yield tests(small if path.startswith('tensor/') else small[5:] + small[:5])
    yield [(['limbeck', 'golden', 'tests/data/golden'], {})]
    yield tests(large + ['ops'])
    yield tests(large, OMP_NUM_THREADS='2')
    if path.startswith('tensor/'):
        for level in sorted(levels, key=lambda l: l not in path):
            yield tests(large, LB_CPU=level)
    yield tests(['archs', 'archs-outside', 'onnx', 'eval'])
    if not path.startswith('tensor/'):
        yield [(['/usr/bin/python3', 'tests/cli/main.py', 'methods', 'training', 'students'], {})]

def limits():
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (6 << 30, 6 << 30))

class Copy:
    def __init__(self, folder):
        self.folder, self.build, self.seconds = folder, os.path.join(folder, 'build'), {}
        self.env = dict(os.environ, OMP_NUM_THREADS='1', OMP_WAIT_POLICY='passive', PYTHONDONTWRITEBYTECODE='1', LB_SOURCE=folder, LB_TEST_DATA=os.path.join(folder, 'tests/data'),
                        LB_LIMBECK=os.path.join(self.build, 'limbeck'))
        if not os.path.isdir(folder):
            subprocess.run(['git', 'clone', '-q', ROOT, folder], check=True)
        if not os.path.isdir(self.build):
            subprocess.run(['meson', 'setup', self.build, '--buildtype=debugoptimized'], cwd=folder, check=True, stdout=subprocess.DEVNULL)

    def run(self, command, env={}, limit=600):
        """'' = passed, else what went wrong."""
        p = subprocess.Popen(command, cwd=self.folder, env=dict(self.env, **env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, preexec_fn=limits)
        try:
            out = p.communicate(timeout=limit)[0].decode(errors='replace')
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.communicate()
            return 'too slow'
        if p.returncode == 0:
            return ''
        return next((l for l in out.split('\n') if 'FAIL' in l or 'error' in l), 'code %d' % p.returncode)

    def make(self, programs):
        targets = sorted({'limbeck'} | {p if p == 'limbeck' else 'tests/' + p for p in programs if '/' not in p})
        return self.run(['ninja', '-C', self.build] + targets)

    def test(self, command, env):
        first = command[0]
        path = first if '/' in first else os.path.join(self.build, first if first == 'limbeck' else 'tests/' + first)
        key = str((command, env))
        began = time.time()
        why = self.run([path] + command[1:], env, self.seconds.get(key, 60) * 8 + 5)
        if not why and key not in self.seconds:
            self.seconds[key] = time.time() - began
        return why

def judge(copy, path):
    """What the suites say of the tree as it is: (outcome, where)."""
    for group in suites(path):
        why = copy.make([c[0] for c, _ in group])
        if why:
            return 'not compiled', why
        for command, env in group:
            why = copy.test(command, env)
            if why:
                return 'seen', ' '.join(command[-2:] + ['%s=%s' % e for e in env.items()]) + ': ' + why
    return 'SURVIVED', ''

def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--each', type=int, default=3)
    p.add_argument('--copy', default=os.path.join(tempfile.gettempdir(), 'limbeck-mutate'))
    p.add_argument('--log', default=os.devnull)
    p.add_argument('--list', action='store_true')
    p.add_argument('files', nargs='+')
    a = p.parse_args()
    log, copy, tally = open(a.log, 'a'), None if a.list else Copy(os.path.abspath(a.copy)), {'seen': 0, 'SURVIVED': 0, 'not compiled': 0}
    for path in a.files:
        where = os.path.join(ROOT if a.list else copy.folder, path)
        text, found = changes(where)
        for name, line, start, end, new in choose(found, a.each, random.Random('%d %s' % (a.seed, path))):
            changed = text[:start] + new + text[end:]
            what = '%s:%d: %s: `%s` -> `%s` in: %s' % (path, line, name, text[start:end].strip(), new.strip(), text.split('\n')[line - 1].strip())
            if a.list:
                print(what)
                continue
            try:
                open(where, 'w').write(changed)
                outcome, why = judge(copy, path)
            finally:
                open(where, 'w').write(text)
            tally[outcome] += 1
            print('%-12s %s' % (outcome, what), flush=True)
            print('%s\t%s\t%s' % (outcome, what, why), file=log, flush=True)
    if not a.list:
        print('%d seen, %d survived, %d not compiled' % tuple(tally.values()))
        return 1 if tally['SURVIVED'] else 0

sys.exit(main())
