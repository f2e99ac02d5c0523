# SPDX-License-Identifier: Apache-2.0
# Further golden cases of nine methods, drawn at random (shapes, options) and at the edges (masked rubbish, -inf, ties, equal rows, absent modalities, a teacher without
# doubt), computed in float64 with PyTorch from the papers' formulas, mostly element by element; autograd gives the gradients.
# python3 more.py writes those that KEEP names as <component>-<100 + number>.h5 beside it; python3 more.py FOLDER writes all of them. Wants torch and h5py.
import os, sys, math, h5py, numpy as np, torch, random
import torch.nn.functional as F
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
KEEP = None if len(sys.argv) > 1 else {
    'kd-divergences': {'forward_kl': [3], 'reverse_kl': [4], 'total_variation': [5], 'jsd': [4, 5], 'skew_forward_kl': [8], 'pairwise_rank': [6], 'listwise_rank': [2], 'sequence_kd': [3]},
    'taid': {'taid_loss': [1, 4], 'taid_update': [3]},
    'trg': {'knn_graph': [5], 'local_loss': [3]},
    'dcd': {'dcd-loss': [4], 'select-hard': [5, 7]},
    'multimodn': {'sequence-loss': [2, 4]},
    'autodistil': {'relation_loss_kl': [2], 'budget_search': [2, 4, 8]},
    'fedd2s': {'class_knowledge': [3], 'participants': [4]},
    'boot': {'loss': [3], 'target': [3]},
    'chatrex': {'match': [1]}}
G = torch.Generator().manual_seed(20261129); R = random.Random(4711)
D = torch.float64
rn = lambda *s, k=1.0: torch.randn(*s, dtype=D, generator=G) * k
ru = lambda *s: torch.rand(*s, dtype=D, generator=G)
ri = lambda hi, *s: torch.randint(0, hi, s, generator=G)
count = {}
def write(method, comp, params, inputs, grad, fn, diff=('loss',)):
    i = count[method, comp] = count.get((method, comp), 0) + 1
    v = {k: (x.clone().requires_grad_(k in grad) if x.is_floating_point() else x) for k, x in inputs.items()}
    out = fn(v); os.makedirs(f'{OUT}/{method}', exist_ok=True)
    cot = {k: rn(*x.shape) for k, x in out.items() if k in diff and grad and x.dim() > 0}
    if grad:
        L = sum((out[k] * cot[k]).sum() if k in cot else out[k] for k in diff if k in out)
        if L.requires_grad: L.backward()
    if KEEP is not None and i not in KEEP[method].get(comp, []): return
    with h5py.File(f'{OUT}/{method}/{comp}-{i + 100 if KEEP else i}.h5', 'w', libver='latest') as f:
        f.attrs.update(format='distill-golden/1', method=method, component=comp, source='formulas of the paper, in PyTorch, element by element (more.py)', rtol=2e-4, atol=1e-5)
        f.create_group('params').attrs.update(params)
        for k, x in v.items():
            f.create_dataset('inputs/' + k, data=x.detach().numpy()).attrs['requires_grad'] = int(k in grad)
            if k in grad: f['expected_grad/' + k] = (x.grad if x.grad is not None else torch.zeros_like(x)).numpy()
        for k, x in out.items(): f.create_dataset('expected/' + k, data=x.detach().numpy()).attrs['differentiated'] = int(bool(grad) and k in diff)
        for k, x in cot.items(): f['cotangents/' + k] = x.numpy()
T_ = lambda x: torch.tensor(x, dtype=D)
INF = float('inf')

# ---------------------------------------------------------------- kd-divergences, row by row
def divergence(kind, T, p):
    def row(s, z):
        live = [v for v in range(len(s)) if s[v] != -INF and z[v] != -INF]
        ls = s / T - torch.logsumexp(s[[v for v in range(len(s)) if s[v] != -INF]] / T, 0)
        lz = (z / T - torch.logsumexp(z[[v for v in range(len(z)) if z[v] != -INF]] / T, 0)).detach()
        a, b = lz[live], ls[live]          # log p, log q
        if kind == 'forward_kl': return (a.exp() * ((a if p.get('subtract_entropy', 1) else 0) - b)).sum()
        if kind == 'reverse_kl': return (b.exp() * (b - a)).sum()
        if kind == 'total_variation': return 0.5 * (a.exp() - b.exp()).abs().sum()
        if kind == 'jsd':
            m = p['beta'] * a.exp() + (1 - p['beta']) * b.exp()
            return p['beta'] * (a.exp() * (a - m.log())).sum() + (1 - p['beta']) * (b.exp() * (b - m.log())).sum()
        if kind == 'skew_forward_kl':
            m = (p['skew'] * a.exp() + (1 - p['skew']) * b.exp()).log()
            return (a.exp() * ((a if p.get('subtract_entropy', 1) else 0) - m)).sum()
        m = ((1 - p['skew']) * a.exp() + p['skew'] * b.exp()).log()
        return (b.exp() * (b - m)).sum()
    def f(x):
        s, z, m = x['student_logits'], x['teacher_logits'], x['mask']
        tot = 0
        for i in range(s.shape[0]):
            for j in range(s.shape[1]):
                if m[i, j] > 0: tot = tot + m[i, j] * row(s[i, j], z[i, j])
        return {'loss': T * T * tot / m.sum()}
    return f
def token_case(kind):
    B, N, V = R.choice([(1, 1, 1), (1, 3, 2), (2, 2, 17), (5, 1, 4), (2, 4, 6), (3, 3, 3)])
    s, z, m = rn(B, N, V, k=R.choice([.1, 2, 8])), rn(B, N, V, k=R.choice([.1, 2, 8])), torch.ones(B, N, dtype=D)
    if kind == 1 and B * N > 1: # what is not kept is rubbish
        m[0, 0] = 0; s[0, 0] = R.choice([float('nan'), INF, -INF]); z[0, 0] = R.choice([float('nan'), INF, -INF])
    if kind == 2: m = ru(B, N) * 5 + 1e-3
    if kind == 3 and V > 2: s[..., 0] = -INF; z[..., 0] = -INF; z[0, 0, 1] = -INF
    if kind == 4: s = z.clone()
    return s, z, m
for c in range(10):
    for kind, ps in (('forward_kl', [{}, {'subtract_entropy': 0}]), ('reverse_kl', [{}]), ('total_variation', [{}]), ('jsd', [{'beta': R.choice([.01, .5, .9, .99])}]),
                     ('skew_forward_kl', [{'skew': R.choice([.05, .5, .95])}, {'skew': R.choice([.05, .5]), 'subtract_entropy': 0}]), ('skew_reverse_kl', [{'skew': R.choice([.05, .5, .95])}])):
        s, z, m = token_case(c % 5); T = R.choice([.3, 1.0, 1.7, 6.0])
        for p in ps: write('kd-divergences', kind, {'temperature': T, **p}, {'student_logits': s, 'teacher_logits': z, 'mask': m}, ('student_logits',), divergence(kind, T, p))
for c in range(6):
    B, C = R.choice([(1, 1), (1, 9), (6, 2), (4, 30)]); T, a = R.choice([.5, 3.0, 11.0]), R.choice([0.0, .1, .5, 1.0])
    x = {'student_logits': rn(B, C, k=R.choice([1, 10, 2000])), 'teacher_logits': rn(B, C, k=5), 'labels': ri(C, B)}
    if T < 1 and x['student_logits'].abs().max() > 500: T = 3.0
    def vk(v):
        tot = 0
        for b in range(B):
            ls, lz = (v['student_logits'][b] / T).log_softmax(0), (v['teacher_logits'][b] / T).log_softmax(0)
            tot = tot - (1 - a) * v['student_logits'][b].log_softmax(0)[v['labels'][b]] + a * T * T * (lz.exp() * (lz - ls)).sum()
        return {'loss': tot / B}
    write('kd-divergences', 'vanilla_kd', {'temperature': T, 'alpha': a}, x, ('student_logits',), vk)
for c in range(6):
    B, N, V = R.choice([(1, 2, 2), (3, 4, 5), (2, 9, 3), (4, 3, 8)]); s, tk, m = rn(B, N, V, k=3), ri(V, B, N), torch.ones(B, N, dtype=D)
    if c % 3 == 1: m[:, 0] = 0; tk[:, 0] = 10 ** 6
    if c % 3 == 2 and N > 2: m[0, 2:] = 0; s[0, N - 1] = float('nan'); tk[0, -1] = -5
    def lp(v, avg):
        rows = []
        for b in range(B):
            l = T_(0.) + 0 * v['student_logits'][b, 0].sum().detach().nan_to_num()
            for i in range(1, N):
                if m[b, i] > 0: l = l + m[b, i] * v['student_logits'][b, i - 1].log_softmax(0)[v['tokens'][b, i]]
            rows.append(l / m[b, 1:].sum() if avg else l)
        return torch.stack(rows)
    x = {'student_logits': s, 'tokens': tk, 'mask': m}
    for avg in (0, 1):
        if avg and (m[:, 1:].sum(1) == 0).any(): continue
        write('kd-divergences', 'sequence_logprob', {'average': avg}, x, ('student_logits',), lambda v: {'logprob': lp(v, avg)}, ('logprob',))
    write('kd-divergences', 'sequence_kd', {}, x, ('student_logits',), lambda v: {'loss': -lp(v, 0).sum() / m[:, 1:].sum()})
for c in range(6):
    B, b_, e = R.choice([1, 3, 9]), R.choice([.01, .3, 5.0]), R.choice([0.0, .1, .5 - 1e-9]); x = {k: rn(B, k=R.choice([1, 100])) for k in ('policy_chosen', 'policy_rejected', 'reference_chosen', 'reference_rejected')}
    write('kd-divergences', 'dpo', {'beta': b_, 'label_smoothing': e}, x, ('policy_chosen', 'policy_rejected'), lambda v: {'loss': sum(
        (1 - e) * F.softplus(-d) + e * F.softplus(d) for d in b_ * ((v['policy_chosen'] - v['reference_chosen']) - (v['policy_rejected'] - v['reference_rejected']))) / B})
for c in range(8):
    B, K = R.choice([(1, 2), (2, 3), (5, 4), (3, 9)]); s, w = rn(B, K, k=3), rn(B, K)
    if c % 2: w = (w * 2).round() # ties
    if c == 3: w[:] = 1.
    if c == 5: s[:, 1] = s[:, 0]  # slope at 0
    mg, T = R.choice([0.0, 1.5, -.4]), R.choice([.2, 1.0, 7.0])
    def pw(v):
        tot = 0 * v['scores'].sum()
        for b in range(B):
            for j in range(K):
                for k in range(K):
                    if w[b, j] < w[b, k] and v['scores'][b, j] - v['scores'][b, k] + mg > 0: tot = tot + v['scores'][b, j] - v['scores'][b, k] + mg
        return {'loss': tot / B}
    def lw(v):
        tot = 0
        for b in range(B):
            left = list(range(K))
            while len(left) > 1:
                best = max(left, key=lambda k: (float(w[b, k]), -k)); tot = tot + torch.logsumexp(v['scores'][b, left] / T, 0) - v['scores'][b, best] / T; left.remove(best)
        return {'loss': tot / B}
    write('kd-divergences', 'pairwise_rank', {'margin': mg}, {'scores': s, 'rewards': w}, ('scores',), pw)
    write('kd-divergences', 'listwise_rank', {'temperature': T}, {'scores': s, 'rewards': w}, ('scores',), lw)

# ---------------------------------------------------------------- taid
for c in range(10):
    s, z, m = token_case(c % 5); t = [0.0, 1.0, .25, .7, .999][c % 5] if c < 5 else R.choice([0.0, .5, 1.0])
    if c % 5 == 3 and s.shape[-1] > 2: z = torch.where(torch.isinf(s), torch.full_like(z, -INF), z); z[0, 0, 1] = R.choice([0., 1.]) # shared -inf
    def target(a, b):
        x = (b if t == 1 else a if t == 0 else (1 - t) * a + t * b).detach()
        return torch.softmax(x, -1)
    if not (s != s).any() and not torch.isinf(s).logical_or(torch.isinf(z)).all(-1).any() and not (z != z).any() and not (s == INF).any() and not (z == INF).any():
        write('taid', 'taid_target', {'t': t}, {'student_logits': s, 'teacher_logits': z}, (), lambda v: {'target_probs': target(s, z)})
    def tl(v):
        tot = 0
        for i in range(s.shape[0]):
            for j in range(s.shape[1]):
                if m[i, j] == 0: continue
                p, x = target(s[i, j], z[i, j]), v['student_logits'][i, j]; ok = [k for k in range(len(p)) if s[i, j, k] != -INF]
                tot = tot - m[i, j] * (p[ok] * (x[ok] - torch.logsumexp(x[ok], 0))).sum()
        return {'loss': tot / m.sum()}
    write('taid', 'taid_loss', {'t': t}, {'student_logits': s, 'teacher_logits': z, 'mask': m}, ('student_logits',), tl)
for c in range(8):
    S = R.choice([1, 2, 7, 40]); ls = ru(S) * R.choice([1, 50]) + (0 if c % 3 else .1)
    if c == 2: ls[0] = 0.
    if c == 4: ls = torch.linspace(1, 9, S, dtype=D)
    ts, te = R.choice([(0.0, 1.0), (.4, .5), (.3, .3), (.9, 1.0)]); al, be, K, k0, off = R.choice([0.0, 5e-4, .3, 1.0]), R.choice([0.0, .5, .99, 1.0]), R.choice([1, 5, 30]), R.choice([0, 3, 50]), c % 2
    t, mo, lp, tt, mm = ts, 0.0, None, [], []
    for i, l in enumerate(ls.tolist()):
        if lp is not None:
            mo = be * mo + (1 - be) * ((lp - l) / (lp + 1e-15)); line = ts + (te - ts) * (k0 + i) / K
            sg = 1 / (1 + math.exp(-mo)) if mo > -700 else 0.0
            t = line if off else min(te, max(line, t + al * sg * (1 - t)))
        lp = l; tt.append(t); mm.append(mo)
    write('taid', 'taid_update', {'t_start': ts, 't_end': te, 'alpha': al, 'beta': be, 'num_train_steps': K, 'first_step': k0, 'disable_adaptive': off}, {'losses': ls}, (), lambda v: {'t_trace': T_(tt), 'momentum_trace': T_(mm)})

# ---------------------------------------------------------------- trg
def unit(x): return x / torch.clamp(x.norm(dim=-1, keepdim=True), min=1e-12)
def unit0(x): # the divisor is a constant where the clamp holds
    n = x.pow(2).sum(-1, keepdim=True); big = n > 1e-24
    return torch.where(big, x / torch.where(big, n, torch.ones_like(n)).sqrt(), x * 1e12)
def graph(x, k, sigma, norm):
    if norm: x = unit0(x)
    M = x.shape[0]; rows = [[0 * x.sum() for _ in range(M)] for _ in range(M)]
    for j in range(M):
        d = [((x[i] - x[j]) ** 2).sum() for i in range(M)]
        near = sorted((i for i in range(M) if i != j), key=lambda i: (float(d[i]), i))[:k]
        for i in near: rows[i][j] = torch.exp(-d[i] / (2 * sigma))
    return torch.stack([torch.stack(r) for r in rows])
def red(x, how): return x.mean() if how == 'mean' else x.sum()
def local(s, t, k, sigma, norm, how):
    a, b = graph(s, k, sigma, norm).log_softmax(1), graph(t.detach(), k, sigma, norm).log_softmax(1)
    return red((a.exp() * (a - b)).sum(1), how)
def glob(s, t, w, b, tau, how):
    u, v = unit0(s @ w.T + b), unit0(t.detach()); g = u @ v.T / tau
    return red(torch.logsumexp(g, 1) - g.diagonal(), how)
def context(s, t):
    f = lambda x: torch.softmax(x @ x.transpose(1, 2) / math.sqrt(x.shape[-1]), -1)
    return ((f(s) - f(t.detach())) ** 2).mean()
for c in range(6):
    B, C, p, h, w = R.choice([(1, 1, 1, 1, 1), (2, 2, 3, 6, 3), (1, 4, 2, 2, 8), (3, 1, 4, 4, 8)])
    def mt(v):
        x = v['student_map']; rows = []
        for b in range(B):
            for i in range(h // p):
                for j in range(w // p): rows.append(torch.stack([x[b, q, i * p + u, j * p + o] for q in range(C) for u in range(p) for o in range(p)]))
        return {'tokens': torch.stack(rows).reshape(B, (h // p) * (w // p), C * p * p)}
    write('trg', 'map_to_tokens', {'patch': p}, {'student_map': rn(B, C, h, w)}, ('student_map',), mt, ('tokens',))
def index_of(B, N, m): return torch.tensor([[b * N + n for n in R.sample(range(N), m)] for b in range(B)])
for c in range(4):
    B, N, Dm = R.choice([(1, 1, 1), (3, 5, 2), (2, 8, 4)]); m = R.randint(1, N); ix = index_of(B, N, m)
    write('trg', 'sample_tokens', {'per_image': m}, {'student_tokens': rn(B, N, Dm), 'sample_index': ix}, ('student_tokens',), lambda v: {'sampled_tokens': torch.stack([v['student_tokens'][int(i) // N, int(i) % N] for i in ix.flatten()])}, ('sampled_tokens',))
for c in range(8):
    M, Ds, Dt = R.choice([(3, 2, 5), (6, 1, 2), (9, 4, 4), (12, 3, 7)]); k, sg, nm, how = R.randint(1, M - 1), R.choice([.05, 1.0, 20.0]), c % 2, R.choice(['mean', 'sum'])
    s, t = rn(M, Ds), rn(M, Dt)
    if c == 2: s[1] = s[0]; t[2] = t[0]            # equal tokens
    if c == 4: s = (s * 1).round(); t = t.round()   # ties
    if Ds == 1: nm = 0                             # normalised they are 1 or -1: all ties, broken by rounding
    if c == 5: s[0] = 0                             # a zero token under normalisation
    if c in (4,) and nm == 0: s = s + 0
    try:
        if not (c == 5 and nm):
            write('trg', 'knn_graph', {'k': k, 'sigma': sg, 'normalize': nm}, {'student_feat': s}, ('student_feat',), lambda v: {'adjacency': graph(v['student_feat'], k, sg, nm)}, ('adjacency',))
            write('trg', 'local_loss', {'k': k, 'sigma': sg, 'normalize': nm, 'reduction': how}, {'student_feat': s, 'teacher_feat': t}, ('student_feat',), lambda v: {'loss': local(v['student_feat'], v['teacher_feat'], k, sg, nm, how)})
    except Exception as e: print('skip', e)
    w, b, tau = rn(Dt, Ds), rn(Dt), R.choice([.07, .5, 3.0])
    write('trg', 'global_loss', {'temperature': tau, 'reduction': how}, {'student_feat': s, 'teacher_feat': t, 'proj_weight': w, 'proj_bias': b}, ('student_feat', 'proj_weight', 'proj_bias'), lambda v: {'loss': glob(v['student_feat'], v['teacher_feat'], v['proj_weight'], v['proj_bias'], tau, how)})
    B, N = R.choice([(1, 1), (2, 3), (3, 6)])
    write('trg', 'contextual_loss', {}, {'student_tokens': rn(B, N, Ds, k=2), 'teacher_tokens': rn(B, N, Dt, k=2)}, ('student_tokens',), lambda v: {'loss': context(v['student_tokens'], v['teacher_tokens'])})
for c in range(4):
    n, hi, lo = R.choice([(1.0, 2.0, .5), (250.0, .3, .9), (7.0, 1.0, 1.0)]); st = T_([0.0, n, n / 3, n * .999])
    write('trg', 'dynamic_temperature', {'total_steps': n, 'temperature_start': hi, 'temperature_end': lo}, {'step': st}, (), lambda v: {'temperature': T_([lo + (hi - lo) * (1 + math.cos(math.pi * x / n)) / 2 for x in st.tolist()])})
for c in range(5):
    B, N, Ds, Dt, K = R.choice([(1, 4, 2, 3, 2), (2, 5, 3, 3, 6), (3, 3, 4, 2, 3)]); m = R.randint(2 if B == 1 else 1, N); M = B * m
    if M < 2: m, M = N, B * N
    k = R.randint(1, M - 1); P = dict(per_image=m, k=k, sigma=R.choice([.3, 2.0]), normalize=R.randint(0, 1), reduction=R.choice(['mean', 'sum']), temperature=R.choice([.1, 1.0]), kd_temperature=R.choice([1.0, 4.0]), weight_kd=R.choice([0.0, .7]), alpha=R.choice([0.0, 1.0]), beta=R.choice([.5, 0.0]), gamma=R.choice([2.0, 0.0]))
    ix = index_of(B, N, m); x = {'student_tokens': rn(B, N, Ds), 'teacher_tokens': rn(B, N, Dt), 'sample_index': ix, 'proj_weight': rn(Dt, Ds), 'proj_bias': rn(Dt), 'student_logits': rn(B, K, k=3), 'teacher_logits': rn(B, K, k=3), 'labels': ri(K, B)}
    def tot(v):
        pick = lambda y: torch.stack([y[int(i) // N, int(i) % N] for i in ix.flatten()]); s, t = pick(v['student_tokens']), pick(v['teacher_tokens']); Tk = P['kd_temperature']
        lz, lq = (v['teacher_logits'] / Tk).log_softmax(1), (v['student_logits'] / Tk).log_softmax(1)
        logit = F.cross_entropy(v['student_logits'], v['labels']) + P['weight_kd'] * Tk ** 2 * (lz.exp() * (lz - lq)).sum(1).mean()
        return {'loss': logit + P['alpha'] * context(v['student_tokens'], v['teacher_tokens']) + P['beta'] * local(s, t, k, P['sigma'], P['normalize'], P['reduction']) + P['gamma'] * glob(s, t, v['proj_weight'], v['proj_bias'], P['temperature'], P['reduction'])}
    write('trg', 'trg_total', P, x, ('student_tokens', 'proj_weight', 'proj_bias', 'student_logits'), tot)

# ---------------------------------------------------------------- dcd
for c in range(8):
    B, C = R.choice([(1, 1), (1, 5), (6, 2), (3, 9), (2, 4)]); Tm, a, mode = R.choice([.4, 1.0, 5.0]), R.choice([0.0, .3, 1.0]), R.choice(['code', 'paper'])
    s, t = rn(B, C, k=R.choice([.5, 6])), rn(B, C, k=R.choice([.5, 6]))
    if c == 3: t[:] = 0; t[:, 0] = -1e4 if C > 1 else 0; t[:, -1] = 1e4
    if c == 5: t[0, 0] = 1e4
    def dl(v):
        e = []
        for b in range(B):
            lp = t[b].log_softmax(0); e.append(float((lp.exp() * lp).sum()))
        u = T_([x / sum(e) if sum(e) != 0 else 1 / B for x in e]); wk = ((1 - u) ** 2).softmax(0); S = v['student_scores']
        per = [((S[b] / Tm - t[b] / Tm) ** 2).sum() / C for b in range(B)]
        kd = Tm ** 2 * (sum(per) / B if mode == 'code' else sum(wk[b] * per[b] for b in range(B)))
        nll = sum(u[b] * (F.softplus(-S[b, 0]) + F.softplus(S[b, 1:]).sum()) / C for b in range(B))
        return {'loss': a * kd + (1 - a) * nll, 'kd_loss': kd, 'nll_loss': nll, 'weight_nll': u, 'weight_kd': wk}
    write('dcd', 'dcd-loss', {'alpha': a, 'temperature': Tm, 'mode': mode}, {'student_scores': s, 'teacher_scores': t}, ('student_scores',), dl)
    if c not in (3, 5):
        fo = T_([1 - math.exp(-max(0, float(-s[b].log_softmax(0)[0]) / (float(-t[b].log_softmax(0)[0]) + 1e-7))) for b in range(B)])
        if C > 1: write('dcd', 'wsl-weight', {}, {'student_scores': s, 'teacher_scores': t}, (), lambda v: {'focal_weight': fo})
        fw = ru(B)
        write('dcd', 'wsl-loss', {'alpha': a, 'temperature': Tm}, {'student_scores': s, 'teacher_scores': t, 'focal_weight': fw}, ('student_scores',), lambda v: {'loss': a * Tm ** 2 * fw.mean() * ((v['student_scores'] / Tm - t / Tm) ** 2).mean() - v['student_scores'].log_softmax(1)[:, 0].mean()})
for c in range(8):
    B, Fn = R.choice([(1, 2), (3, 6), (5, 20)]); k = R.randint(1, Fn - 1); t = rn(B, Fn)
    if c % 2: t = t.round()
    if c == 4: t[:] = 0
    if c == 6: t[:, 0] = -50
    rows = []
    for b in range(B):
        o = sorted(range(Fn), key=lambda q: (-float(t[b, q]), q))[:k + 1]
        o = [q for q in o if q] if 0 in o else o[:k]
        rows.append([0] + o)
    ix = torch.tensor(rows); write('dcd', 'select-hard', {'hard_negative': k}, {'teacher_scores': t}, (), lambda v: {'index': ix, 'teacher_selected': torch.stack([t[b, ix[b]] for b in range(B)])})

# ---------------------------------------------------------------- multimodn
for c in range(5):
    B, Dm, S, H, L = R.choice([(1, 1, 1, 1, 1), (3, 4, 2, 6, 2), (5, 2, 7, 3, 3)]); x = {'x': rn(B, Dm), 'state': rn(B, S)}; d = Dm
    for l in range(1, L + 1): x[f'w{l}'], x[f'b{l}'], d = rn(H, d), rn(H), H
    x['w_out'], x['b_out'] = rn(S, H + S), rn(S)
    def me(v):
        h = v['x']
        for l in range(1, L + 1): h = torch.relu(h @ v[f'w{l}'].T + v[f'b{l}'])
        return {'new_state': torch.cat([h, v['state']], 1) @ v['w_out'].T + v['b_out']}
    write('multimodn', 'mlp-encoder', {}, x, tuple(x), me, ('new_state',))
    p = R.choice([0.0, .2, .75]); y = {'x': rn(B, Dm), 'state': rn(B, S)}; d = Dm + S
    for l in range(1, L + 1): y[f'w{l}'], y[f'b{l}'], d = rn(H, d), rn(H), H
    y['w_out'], y['b_out'] = rn(S, H), rn(S); mk = (ru(B, Dm + S) > p).to(D)
    def ee(v):
        h = torch.cat([v['x'], v['state']], 1) * mk / (1 - p)
        for l in list(range(1, L + 1)) + ['_out']: h = torch.relu(h @ v[f'w{l}'].T + v[f'b{l}'])
        return {'new_state': h}
    write('multimodn', 'early-encoder', {'dropout': p}, {**y, 'dropout_mask': mk}, tuple(y), ee, ('new_state',))
for c in range(10):
    B, S, M, Tn, H = R.choice([(1, 2, 1, 1, 2), (4, 3, 3, 2, 5), (3, 5, 2, 3, 4), (2, 1, 4, 1, 3)]); x = {'init_state': rn(S)}; cls = [R.randint(2, 4) for _ in range(Tn)]
    for m in range(M):
        dm = R.randint(1, 4); x[f'x{m}'] = rn(B, dm); x[f'enc{m}_w1'], x[f'enc{m}_b1'], x[f'enc{m}_w_out'], x[f'enc{m}_b_out'] = rn(H, dm), rn(H), rn(S, H + S), rn(S)
    for t in range(Tn): x[f'dec{t}_w'], x[f'dec{t}_b'] = rn(cls[t], S), rn(cls[t])
    g = tuple(k for k in x if not k.startswith('x')) + tuple(f'x{m}' for m in range(M))
    lab = torch.stack([ri(cls[t], B) for t in range(Tn)], 1); mask = (ru(B, M) > .35).long()
    if c == 1: mask[:] = 0
    if c == 2: mask[:, 0] = 0
    if c == 3: mask[:] = 1
    seq = R.sample(range(M), R.randint(1, M)); sk = R.randint(0, 1); P = dict(n_modalities=M, n_tasks=Tn, err_penalty=R.choice([0.0, .7, 1.0]), state_change_penalty=R.choice([0.0, 30.0]), sigmoid_outputs=R.randint(0, 1), skip_batch=sk)
    for m in range(M):
        for b in range(B):
            if mask[b, m] == 0: x[f'x{m}'][b] = float('nan') if c % 2 else 1e30
    gg = tuple(k for k in g if not k.startswith('x'))
    def sl(v):
        act = torch.sigmoid if P['sigmoid_outputs'] else (lambda q: q); st = [v['init_state'] for _ in range(B)]; err = [[T_(0.) for _ in range(Tn)] for _ in range(M + 1)]; ch = [T_(0.) for _ in range(M)]
        dec = lambda t, q: act(v[f'dec{t}_w'] @ q + v[f'dec{t}_b'])
        for t in range(Tn): err[0][t] = sum(-dec(t, st[b]).log_softmax(0)[lab[b, t]] for b in range(B)) / B
        for m in seq:
            on = [bool(mask[b, m]) and not (sk and (mask[:, m] == 0).any()) for b in range(B)]; new = list(st)
            for b in range(B):
                if on[b]:
                    h = torch.relu(v[f'enc{m}_w1'] @ v[f'x{m}'][b] + v[f'enc{m}_b1']); new[b] = v[f'enc{m}_w_out'] @ torch.cat([h, st[b]]) + v[f'enc{m}_b_out']
            ch[m] = sum(((new[b] - st[b]) ** 2).sum() for b in range(B)) / (B * S)
            for t in range(Tn): err[m + 1][t] = sum((-dec(t, new[b]).log_softmax(0)[lab[b, t]] if on[b] else T_(0.)) for b in range(B)) / B
            st = new
        E = torch.stack([torch.stack(r) for r in err]); Cg = torch.stack(ch)
        return {'loss': P['err_penalty'] * E.sum() / (Tn * (M + 1)) + .01 * P['state_change_penalty'] * Cg.sum() / M, 'err_loss': E, 'state_change': Cg, 'final_state': torch.stack(st), **{f'final_output{t}': torch.stack([dec(t, q) for q in st]) for t in range(Tn)}}
    write('multimodn', 'sequence-loss', P, {**x, 'labels': lab, 'mask': mask, 'sequence': torch.tensor(seq)}, gg, sl)
for c in range(6):
    B = R.choice([1, 2, 15, 60]); s, l = rn(B, 2), ri(2, B)
    if c % 2: s = s.round()
    if c == 2: l[:] = 1
    def mc(v):
        pr = [int(s[b, 1] > s[b, 0]) for b in range(B)]; q = lambda a, b: sum(1 for i in range(B) if pr[i] == a and int(l[i]) == b); tp, tn, fp, fn = q(1, 1), q(0, 0), q(1, 0), q(0, 1); dv = lambda a, b: a / b if b else 0.
        pos, neg = [float(s[i, 1]) for i in range(B) if l[i] == 1], [float(s[i, 1]) for i in range(B) if l[i] == 0]
        au = sum((1. if p > n else .5 if p == n else 0.) for p in pos for n in neg) / (len(pos) * len(neg)) if pos and neg else 0.
        i64 = lambda k: torch.tensor(k)
        return dict(tp=i64(tp), tn=i64(tn), fp=i64(fp), fn=i64(fn), accuracy=T_((tp + tn) / B), sensitivity=T_(dv(tp, tp + fn)), specificity=T_(dv(tn, tn + fp)), balanced_accuracy=T_((dv(tp, tp + fn) + dv(tn, tn + fp)) / 2), auroc=T_(au))
    write('multimodn', 'metrics', {}, {'scores': s, 'labels': l}, (), mc)

# ---------------------------------------------------------------- autodistil
def heads_of(x, A):
    w = x.shape[-1] // A
    return torch.stack([x[..., h * w:(h + 1) * w] @ x[..., h * w:(h + 1) * w].transpose(1, 2) / math.sqrt(w) for h in range(A)], 1)
QKV = ('query', 'key', 'value')
for c in range(7):
    B, N, W, V, A = R.choice([(1, 1, 1, 2, 1), (2, 3, 5, 9, 2), (3, 4, 6, 4, 4), (1, 6, 7, 13, 3)]); x = {f'student_{k}': rn(B, N, W, k=1.5) for k in QKV}
    write('autodistil', 'relation_scores', {'relation_heads': A}, x, tuple(x), lambda v: {k + '_relation': heads_of(v['student_' + k], A) for k in QKV}, tuple(k + '_relation' for k in QKV))
    m = torch.ones(B, N, dtype=D)
    if N > 1 and c % 2: m[:, R.randrange(N)] = 0
    y = {**x, **{f'teacher_{k}': rn(B, N, V, k=1.5) for k in QKV}, 'mask': m}; kept = [(b, i) for b in range(B) for i in range(N) if m[b, i]]
    for um in (0, 1):
        def ms(v):
            tot = 0
            for k in QKV:
                s, t = heads_of(v['student_' + k], A), heads_of(v['teacher_' + k], A); vals = [(s[b, h, i, j] - t[b, h, i, j]) ** 2 for b in range(B) for h in range(A) for i in range(N) for j in range(N) if not um or (m[b, i] and m[b, j])]
                tot = tot + sum(vals) / len(vals)
            return {'loss': tot}
        write('autodistil', 'relation_loss_mse', {'relation_heads': A, 'use_mask': um}, y, tuple(x), ms)
    def kl(v):
        tot = 0
        for k in QKV:
            add = ((1 - m) * -1e4)[:, None, None, :]; s, t = (heads_of(v['student_' + k], A) + add).log_softmax(-1), (heads_of(v['teacher_' + k], A) + add).log_softmax(-1)
            rows = [(t[b, h, i].exp() * (t[b, h, i] - s[b, h, i])).sum() for (b, i) in kept for h in range(A)]; tot = tot + sum(rows) / len(rows)
        return {'loss': tot}
    write('autodistil', 'relation_loss_kl', {'relation_heads': A}, y, tuple(x), kl)
for c in range(4):
    O, I = R.choice([(1, 1), (7, 4), (5, 9)]); o, i = R.randint(1, O), R.randint(1, I); sh = R.choice([(i,), (2, i), (2, 3, i)])
    if len(sh) == 1: sh = (1, i)
    write('autodistil', 'sliced_linear', {'in_features': i, 'out_features': o}, {'x': rn(*sh), 'weight': rn(O, I), 'bias': rn(O)}, ('x', 'weight', 'bias'), lambda v: {'out': v['x'] @ v['weight'][:o, :i].T + v['bias'][:o]}, ('out',))
for c in range(5):
    A, d = R.choice([(1, 2), (4, 2), (3, 3)]); Dx, R4 = A * d, R.choice([2, 4]) * A * d; a, Dk = R.randint(1, A), R.randint(1, Dx); I = R.randint(1, R4); B, N = R.choice([(1, 1), (2, 5), (3, 2)]); eps = R.choice([1e-12, 1e-5])
    x = {}
    for n, sh in dict(query=(Dx, Dx), key=(Dx, Dx), value=(Dx, Dx), attention_out=(Dx, Dx), fc1=(R4, Dx), fc2=(Dx, R4)).items(): x[n + '_weight'], x[n + '_bias'] = rn(*sh, k=.6), rn(sh[0])
    for n in ('attention_norm', 'mlp_norm'): x[n + '_weight'], x[n + '_bias'] = rn(Dx), rn(Dx)
    m = torch.ones(B, N, dtype=D)
    if N > 1 and c % 2: m[0, 0] = 0; m[-1, -1] = 0
    if (m.sum(1) == 0).any(): m[:] = 1
    if Dk == 1: Dk = 2
    x['x'] = rn(B, N, Dk)
    def sb(v):
        q = a * d; lin = lambda z, n, o, i: z @ v[n + '_weight'][:o, :i].T + v[n + '_bias'][:o]; ln = lambda z, n: F.layer_norm(z, (Dk,), v[n + '_weight'][:Dk], v[n + '_bias'][:Dk], eps)
        Q, K, V_ = (lin(v['x'], n, q, Dk) for n in QKV); heads = []
        for h in range(a):
            sl_ = slice(h * d, (h + 1) * d); sc = Q[..., sl_] @ K[..., sl_].transpose(1, 2) / math.sqrt(d) + ((1 - m) * -1e4)[:, None, :]; heads.append(sc.softmax(-1) @ V_[..., sl_])
        y = ln(v['x'] + lin(torch.cat(heads, -1), 'attention_out', Dk, q), 'attention_norm')
        return {'out': ln(y + lin(F.gelu(lin(y, 'fc1', I, Dk)), 'fc2', Dk, I), 'mlp_norm')}
    write('autodistil', 'sub_block', dict(super_hidden=Dx, super_heads=A, hidden=Dk, heads=a, intermediate=I, ln_eps=eps), {**x, 'mask': m}, tuple(x), sb, ('out',))
for c in range(4):
    L, l = R.choice([(12, 5), (7, 3), (24, 23), (4, 4)]); write('autodistil', 'kept_layers', {'layers': L, 'depth_mult': l / L}, {'unused': T_([0.])}, (), lambda v: {'layer_index': torch.tensor([k * L // l for k in range(l)])})
for c in range(5):
    ls, hs, hd, rt = (sorted(R.sample(range(1, 9), R.randint(1, 3))) for _ in range(4)); hd = [16 * q for q in hd]; rt = [q / 2 for q in rt]; V, P, A = R.choice([10, 500]), R.choice([4, 64]), R.choice([8, 12])
    f = lambda q: q[2] * (V + P + 4) + q[0] * (q[2] ** 2 + 3 * q[2] ** 2 * q[1] / A + 6 * q[2]) + q[0] * (2 * q[3] * q[2] ** 2 + q[3] * q[2] + 3 * q[2]) + q[2] ** 2 + 2 * q[2]
    al = sorted((f((l, h, dd, r)), (l, h, dd, r)) for l in ls for h in hs for dd in hd for r in rt); lo, hi = (al[len(al) // 4][0], al[-1 - len(al) // 4][0]) if c % 2 else (0.0, 1e15)
    kp = [q for q in al if lo <= q[0] <= hi]
    write('autodistil', 'subspace_partition', dict(vocab=V, positions=P, super_heads=A, start_size=float(lo), stop_size=float(hi)), {'layers': torch.tensor(ls), 'heads': torch.tensor(hs), 'hidden': torch.tensor(hd), 'ratio': T_([float(q) for q in rt])}, (), lambda v: {'parameters': T_([q[0] for q in kp]), 'configs': T_([[float(z) for z in q[1]] for q in kp])})
for c in range(3):
    n = R.choice([4, 9, 100]); dr = R.sample(range(n - 2), 2); write('autodistil', 'sandwich_sample', {'subnets': n}, {'draw': torch.tensor(dr)}, (), lambda v: {'selected': torch.tensor([n - 1, 0, 1 + dr[0], 1 + dr[1]])})
for c in range(7):
    n = R.choice([1, 2, 12]); co, lo = (ru(n) * 9, ru(n)) if c % 2 else ((ru(n) * 4).round(), (ru(n) * 3).round()); bud = float(co.min()) if c == 3 else float(co.median()) if c == 4 else 1e9
    ok = [i for i in range(n) if co[i] <= bud]; best = min(ok, key=lambda i: (float(lo[i]), float(co[i]), i)); fr, least = [], INF
    for i in sorted(range(n), key=lambda i: (float(co[i]), float(lo[i]), i)):
        if float(lo[i]) < least: fr.append(i); least = float(lo[i])
    write('autodistil', 'budget_search', {'budget': bud}, {'cost': co, 'validation_loss': lo}, (), lambda v: {'best': torch.tensor(best), 'pareto': torch.tensor(fr)})

# ---------------------------------------------------------------- fedd2s
for c in range(4):
    L = R.choice([1, 3, 12]); ml, de = R.randint(1, L), R.choice([1, 3, 10]); r = torch.tensor(sorted(R.sample(range(200), 9)) + [0]); write('fedd2s', 'drop_schedule', dict(num_layers=L, drop_every=de, min_layer=ml), {'round': r}, (), lambda v: {'active_layer': torch.tensor([max(ml, L - int(q) // de) for q in r])})
def hd(v):
    z = v['representation']; z = z.flatten(2).mean(2) if z.dim() == 4 else z
    return torch.relu(z @ v['fc1_weight'].T + v['fc1_bias']) @ v['fc2_weight'].T + v['fc2_bias']
for c in range(8):
    B, Dm, h, C = R.choice([(1, 1, 1, 2), (5, 3, 7, 4), (2, 6, 2, 11)]); z = rn(B, Dm) if c % 2 else rn(B, Dm, *R.choice([(1, 1), (3, 2), (1, 7)])); w = {'fc1_weight': rn(h, Dm), 'fc1_bias': rn(h), 'fc2_weight': rn(C, h), 'fc2_bias': rn(C)}
    write('fedd2s', 'head', {}, {'representation': z, **w}, ('representation', *w), lambda v: {'logits': hd(v)}, ('logits',))
    T, wc, wk = R.choice([.5, 3.0, 10.0]), R.choice([0.0, 1.0, .3]), R.choice([0.0, 2.0, 1.0]); lab, tl_ = ri(C, B), rn(B, C, k=R.choice([1, 6, 300]))
    def mutual(own, giv):
        lz, ls = (giv.detach() / T).log_softmax(1), (own / T).log_softmax(1)
        return sum(-wc * own[b].log_softmax(0)[lab[b]] + wk * T * T * (lz[b].exp() * (lz[b] - ls[b])).sum() for b in range(B)) / B
    write('fedd2s', 'server_loss', dict(temperature=T, weight_ce=wc, weight_kd=wk), {'representation': z, **w, 'labels': lab, 'teacher_logits': tl_}, tuple(w), lambda v: {'loss': mutual(hd(v), v['teacher_logits']), 'logits': hd(v)}, ('loss', 'logits'))
    write('fedd2s', 'client_loss', dict(temperature=T, weight_ce=wc, weight_kd=wk), {'student_logits': rn(B, C, k=4), 'teacher_logits': tl_, 'labels': lab}, ('student_logits',), lambda v: {'loss': mutual(v['student_logits'], v['teacher_logits'])})
for c in range(4):
    N, C = R.choice([(1, 2), (30, 4), (7, 9)]); lg, lab, T = rn(N, C, k=R.choice([1, 500])), ri(C, N), R.choice([.5, 3.0])
    ck = torch.stack([torch.stack([(lg[i] / T).softmax(0) for i in range(N) if lab[i] == q]).mean(0) if (lab == q).any() else torch.full((C,), 1 / C, dtype=D) for q in range(C)])
    write('fedd2s', 'class_knowledge', {'temperature': T}, {'logits': lg, 'labels': lab}, (), lambda v: {'class_knowledge': ck, 'counts': torch.tensor([int((lab == q).sum()) for q in range(C)])})
for c in range(8):
    K = R.choice([1, 3, 10, 31]); ra = R.choice([1e-9, .1, .3, 2 / 3, .7, 1.0]); o = R.sample(range(K), K); n = max(1, math.floor(ra * K + 1e-9)); write('fedd2s', 'participants', {'ratio': ra}, {'order': torch.tensor(o)}, (), lambda v: {'clients': torch.tensor(sorted(o[:n]))})
    a = ru(R.choice([1, 9, 10, 25])); k = len(a); w = sorted(a.tolist())[:max(1, k // 10)]
    write('fedd2s', 'fairness', {}, {'accuracy': a}, (), lambda v: {'mean': a.mean(), 'variance': a.var(unbiased=False), 'worst': T_(sum(w) / len(w))})

# ---------------------------------------------------------------- boot
def sched(t, P):
    if P['schedule'] == 'cosine': al, sg = math.cos(math.pi * t / 2), math.sin(math.pi * t / 2); sl = math.pi / math.sin(math.pi * t)
    else:
        b = t * t * (P['beta_max'] - P['beta_min']) / 2 + t * P['beta_min']; al, sg = math.exp(-b / 2), math.sqrt(-math.expm1(-b)); sl = (P['beta_min'] + t * (P['beta_max'] - P['beta_min'])) / (2 * sg * sg)
    return al, sg, math.log(sg / al), sl
def boot_params(): return R.choice([dict(schedule='cosine', beta_min=0.1, beta_max=20.0), dict(schedule='vp_linear', beta_min=.1, beta_max=20.0), dict(schedule='vp_linear', beta_min=0.0, beta_max=3.0), dict(schedule='vp_linear', beta_min=2.0, beta_max=2.0)])
for c in range(6):
    P = boot_params(); t = T_([1e-3, .1, .5, .9, .999]); q = [sched(float(x), P) for x in t]; write('boot', 'schedule', P, {'t': t}, (), lambda v: {k: T_([r[i] for r in q]) for i, k in enumerate(('alpha', 'sigma', 'lambda', 'dlambda_dt'))})
def times(B):
    t = [R.uniform(.1, .95) for _ in range(B)]; return t, [R.choice([x * R.uniform(.3, .95), x - 1e-4]) for x in t]
for c in range(8):
    P = boot_params(); B = R.choice([1, 4]); sh = R.choice([(B, 1), (B, 5), (B, 2, 3), (B, 2, 2, 3)]); t, s = times(B); kind, clip = R.choice(['eps', 'v', 'x0']), R.choice([0.0, .5, 3.0]); x, e = rn(*sh), rn(*sh)
    def tx(v):
        rows = []
        for b in range(B):
            al, sg, _, _ = sched(t[b], P); y = (x[b] - sg * e[b]) / al if kind == 'eps' else al * x[b] - sg * e[b] if kind == 'v' else e[b]
            rows.append(y.clamp(-clip, clip) if clip > 0 else y)
        return {'x0': torch.stack(rows)}
    write('boot', 'to_x0', {**P, 'prediction': kind, 'clip': clip}, {'x_t': x, 'prediction': e, 't': T_(t)}, (), tx)
    w = R.choice([0.0, 1.0, -2.0, 7.5]); write('boot', 'guidance', {'guidance': w}, {'x0_cond': x, 'x0_uncond': e}, (), lambda v: {'x0': e + w * (x - e)})
    solver = R.choice(['ddim', 'euler', 'heun']); y, f, f2, nz = rn(*sh), rn(*sh), rn(*sh), rn(*sh); given = solver == 'heun' or c % 2
    def step(b, y_, f_, f2_):
        (al, sg, la, sl), (a2, s2, l2, sl2), de = sched(t[b], P), sched(s[b], P), t[b] - s[b]
        if solver == 'ddim': return y_[b] - math.expm1(l2 - la) * (f_[b] - y_[b])
        y1 = y_[b] + de * sl * (f_[b] - y_[b])
        return y1 if solver == 'euler' else y_[b] + de / 2 * (sl * (f_[b] - y_[b]) + sl2 * (f2_[b] - y1))
    x_ = {'y_t': y, 'noise': nz, 'teacher_x0': f, 't': T_(t), 's': T_(s)}
    if given: x_['teacher_x0_s'] = f2
    write('boot', 'target', {**P, 'solver': solver}, x_, (), lambda v: {'x_t': torch.stack([sched(t[b], P)[0] * y[b] + sched(t[b], P)[1] * nz[b] for b in range(B)]), 'target': torch.stack([step(b, y, f, f2) for b in range(B)])})
    wt, be = R.choice(['plain', 'delta', 'rate']), R.choice([0.0, .1, 3.0]); ys, ye, fe = rn(*sh), rn(*sh), rn(*sh)
    def bl(v):
        tot = 0
        for b in range(B):
            de = t[b] - s[b]; w_ = 1 if wt == 'plain' else 1 / de ** 2 if wt == 'delta' else 1 / (de * sched(t[b], P)[3]) ** 2
            tot = tot + w_ * ((v['y_s'][b] - step(b, y, f, f2).detach()) ** 2).mean() / B
        bd = ((v['y_end'] - fe) ** 2).mean()
        return {'loss': tot + be * bd, 'loss_bootstrap': tot, 'loss_boundary': bd}
    z = {'y_s': ys, 'y_t': y, 'teacher_x0': f, 'y_end': ye, 'teacher_x0_end': fe, 't': T_(t), 's': T_(s)}
    if given: z['teacher_x0_s'] = f2
    if min(a - b for a, b in zip(t, s)) > 1e-3 or wt == 'plain': write('boot', 'loss', {**P, 'solver': solver, 'weighting': wt, 'beta': be}, z, ('y_s', 'y_end'), bl)
for c in range(6):
    B, Dm, H, M, td, nb = R.choice([(1, 1, 2, 1, 2, 0), (3, 5, 4, 9, 7, 1), (2, 3, 6, 4, 8, 3), (4, 2, 3, 3, 3, 2)]); tsc = R.choice([1.0, 7.0, 50.0]); t, _ = times(B); w = {}
    for n, shp in [('time', (H, td)), ('in', (H, Dm))] + [q for k in range(nb) for q in ((f'film{k}', (2 * H, H)), (f'fc1_{k}', (M, H)), (f'fc2_{k}', (H, M)))] + [('out', (Dm, H))]: w[n + '_weight'], w[n + '_bias'] = rn(*shp, k=.7), rn(shp[0])
    def gen(v):
        half = td // 2; a = torch.stack([T_([tsc * t[b] * 10000 ** (-k / half) for k in range(half)]) for b in range(B)]); te = torch.cat([a.cos(), a.sin()] + ([torch.zeros(B, 1, dtype=D)] if td % 2 else []), 1)
        lin = lambda n, z: z @ v[n + '_weight'].T + v[n + '_bias']; e = F.silu(lin('time', te)); h = lin('in', v['noise'])
        for k in range(nb):
            fl = lin(f'film{k}', e); mu, va = h.mean(1, keepdim=True), h.var(1, unbiased=False, keepdim=True); z = (h - mu) / (va + 1e-6).sqrt() * (1 + fl[:, :H]) + fl[:, H:]; h = h + lin(f'fc2_{k}', F.silu(lin(f'fc1_{k}', z)))
        return {'signal': lin('out', h)}
    write('boot', 'generator', dict(time_dim=td, num_blocks=nb, time_scale=tsc), {'noise': rn(B, Dm), 't': T_(t), **w}, ('noise', *w), gen, ('signal',))

# ---------------------------------------------------------------- autodistil: equal costs, of which the one that loses less counts, and equal in both, of which the first
write('autodistil', 'budget_search', {'budget': 2.}, {'cost': T_([2., 2., 1., 2., 1., 3.]), 'validation_loss': T_([.5, .3, .9, .3, .9, .1])}, (), lambda v: {'best': torch.tensor(1), 'pareto': torch.tensor([2, 1, 5])})

# ---------------------------------------------------------------- chatrex: scores without a doubt, where only the 1e-8 in the logarithms keeps costs finite
def giou(a, b): # centre, width and height
    c = lambda x: (x[0] - x[2] / 2, x[1] - x[3] / 2, x[0] + x[2] / 2, x[1] + x[3] / 2)
    (ax, ay, aX, aY), (bx, by, bX, bY) = c(a), c(b); area = lambda w, h: max(w, 0) * max(h, 0)
    both = area(min(aX, bX) - max(ax, bx), min(aY, bY) - max(ay, by)); one = area(aX - ax, aY - ay) + area(bX - bx, bY - by) - both; hull = area(max(aX, bX) - min(ax, bx), max(aY, bY) - min(ay, by))
    return both / one - (hull - one) / hull
logits, boxes, wanted = [-800., 800., .5], [[.2, .3, .2, .2], [.6, .6, .3, .2], [.5, .4, .1, .4]], [[.55, .6, .2, .2], [.25, .3, .2, .3]]
def costs(v):
    rows = []
    for x, b in zip(logits, boxes):
        p = 1 / (1 + math.exp(-x)) if x > -700 else 0.; cls = .25 * (1 - p) ** 2 * -math.log(p + 1e-8) - .75 * p ** 2 * -math.log(1 - p + 1e-8)
        rows.append([2 * cls + 5 * sum(abs(k - l) for k, l in zip(b, w)) - 2 * giou(b, w) for w in wanted])
    _, i, j = min((rows[i][0] + rows[j][1], i, j) for i in range(3) for j in range(3) if i != j); q = sorted([(i, 0), (j, 1)])
    return {'cost': T_(rows), 'match_query': torch.tensor([k for k, _ in q]), 'match_target': torch.tensor([k for _, k in q])}
write('chatrex', 'match', {}, {'logits': T_(logits), 'boxes': T_(boxes), 'target_boxes': T_(wanted)}, (), costs)
print(sum(count.values()), 'cases of', len(count), 'components')
