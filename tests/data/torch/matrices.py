# SPDX-License-Identifier: Apache-2.0
"""Linear algebra, distances of rows and boxes, recurrences and scans."""
import os
import sys

import torch
import torch.nn.functional as F

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../ops'))
from make_sequence import causal_conv1d, grouped_linear, recurrent, selective_scan, ssd

BATCHES = [(), (2,), (3, 1), (1, 2)]


def apart(r, *shape, step=1):
    """Well conditioned, with eigenvalues and singular values apart: 3, 4, 5, ... on the diagonal; further for float's sake by larger steps."""
    x = r.real(*shape, lo=-0.5, hi=0.5)
    k = min(shape[-2:])
    x[..., range(k), range(k)] += 3.0 + step * torch.arange(k)
    return x.float().double()


def sym(x):
    return (x + x.mT) / 2


def signs(v):
    """+-1 for each column, so that its largest component becomes positive."""
    v = v.detach()
    return torch.gather(v, -2, v.abs().argmax(-2, keepdim=True)).sign()


def svd(x):
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    sign = signs(u)
    return u * sign, s, vh * sign.mT


def eigh(x):
    w, v = torch.linalg.eigh(sym(x))
    return w, v * signs(v)


def qr(x):
    q, r = torch.linalg.qr(x)
    sign = torch.diagonal(r.detach(), dim1=-2, dim2=-1).sign()
    return q * sign[..., None, :], r * sign[..., :, None]


def sym_power(power, least):
    def f(x):
        w, v = torch.linalg.eigh(sym(x))
        return (v * w.clamp(min=least)[..., None, :] ** power) @ v.mT
    return f


def algebra(r):
    for k, (batch, n) in enumerate([(b, n) for b in BATCHES for n in (1, 2, 3, 5)]):
        shape = (*batch, n, n)
        r.case('cholesky', lambda x: torch.linalg.cholesky(sym(x)), apart(r, *shape))
        r.case('inverse', torch.linalg.inv, apart(r, *shape))
        r.case('log_det', lambda x: torch.linalg.slogdet(x)[::-1], apart(r, *shape) if k % 2 else apart(r, *shape).flip(-1).contiguous())
        r.case('det', torch.linalg.det, apart(r, *shape))
        r.case('solve', torch.linalg.solve, apart(r, *shape), r.real(*batch, n, 1 + k % 3))
        for upper, turned in ((False, False), (True, True), (False, True), (True, False)):
            r.case('triangular_solve', lambda t, x: torch.linalg.solve_triangular(t.mT if turned else t, x, upper=upper != turned), apart(r, *shape), r.real(*batch, n, 2), p={'upper': upper, 'transposed': turned})
        r.case('eigh', eigh, apart(r, *shape))
        r.case('sym_power', sym_power([0.5, -0.5, 1.5][k % 3], 0.1), apart(r, *shape), p={'power': [0.5, -0.5, 1.5][k % 3], 'least': 0.1})
        for m in (n, n + 2):
            r.case('qr', qr, apart(r, *batch, m, n))
        for m in (max(n - 1, 1), n, n + 3):
            r.case('svd', svd, apart(r, *batch, m, n, step=3))
            r.case('pinv', lambda x: torch.linalg.pinv(x, rtol=1e-6), apart(r, *batch, m, n), p={'rcond': 1e-6})


def distances(r):
    for k, (batch, n, m, d) in enumerate([((), 3, 4, 2), ((2,), 1, 5, 3), ((), 6, 2, 7), ((2, 1), 3, 3, 1), ((), 2, 9, 33), ((), 0, 3, 2)]):
        a, b = r.real(*batch, n, d), r.real(*batch, m, d)
        gap = lambda a, b: a[..., :, None, :] - b[..., None, :, :]
        r.case('pairwise', lambda a, b: gap(a, b).square().sum(-1), a, b, p={'kind': 0, 'least': 0.0})
        r.case('pairwise', torch.cdist, a, b, p={'kind': 1, 'least': 1e-12})
        r.case('pairwise', lambda a, b: torch.cdist(a, b, p=1), a, b, p={'kind': 2, 'least': 0.0})
        r.case('pairwise', lambda a, b: gap(a, b).square().sum(-1).clamp(min=2).sqrt(), a, b, p={'kind': 1, 'least': 2.0})
        long = lambda x, eps: x.norm(dim=-1).clamp(min=eps)
        for eps in (1e-8, 1.5): # torch's own has the slope of a norm that is not clamped
            r.case('cosine_similarity', lambda a, b: (a * b).sum(-1) / (long(a, eps) * long(b, eps)), r.real(*batch, n, d), r.real(*batch, n, d), p={'eps': eps})
        for near in (1, m // 2):
            r.case('nearest_rows', lambda a, b: torch.cdist(a, b).topk(near, largest=False)[1], a, b, p={'k': near}, fixed=True)
    for k, shape in enumerate([(4, 3), (2, 3, 5), (6, 1), (1, 9)]):
        rows = [r.real(*shape) for _ in range(3)]
        for reduction, how in enumerate(('mean', 'sum', 'none')):
            for swap in (False, True):
                r.case('triplet', lambda a, b, c: F.triplet_margin_loss(a, b, c, [1.0, 0.2][k % 2], swap=swap, reduction=how), *rows, p={'margin': [1.0, 0.2][k % 2], 'swap': swap, 'reduction': reduction})
        if len(shape) == 2 and shape[1] > 1:
            label = r.whole(shape[0], below=2) * 2.0 - 1
            for margin in (0.0, 0.3, -0.5):
                r.case('cosine_embedding', lambda a, b, y: F.cosine_embedding_loss(a, b, y, margin), *rows[:2], label, p={'margin': margin}, fixed=(2,))


def overlap(kind):
    """torchvision's losses, from their published formulas; differentiated throughout."""
    def f(a, b):
        size = lambda x: (x[..., 2] - x[..., 0], x[..., 3] - x[..., 1])
        low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
        inter = (high - low).clamp(min=0).prod(-1)
        (wa, ha), (wb, hb) = size(a), size(b)
        union = wa * ha + wb * hb - inter
        iou = inter / union
        hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
        if kind == 0:
            return iou
        if kind == 1:
            return iou - (hull.prod(-1) - union) / hull.prod(-1)
        far = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2).square().sum(-1) / hull.square().sum(-1)
        v = 4 / torch.pi ** 2 * (torch.atan(wb / hb) - torch.atan(wa / ha)) ** 2
        return iou - far - (v * v / (1 - iou + v) if kind == 3 else 0)
    return f


def boxes(r):
    def some(*shape):
        corner = r.real(*shape, 2, lo=0, hi=4)
        return torch.cat([corner, corner + r.real(*shape, 2, lo=0.5, hi=5)], -1).float().double()
    for shapes in (((5,), (5,)), ((3, 1), (1, 4)), ((), ()), ((2, 3), (3,))):
        for kind in range(4):
            r.case('box_iou', overlap(kind), some(*shapes[0]), some(*shapes[1]), p={'kind': kind})


def recurrences(r):
    for k, (n, l, h) in enumerate([(1, 1, 1), (2, 3, 2), (1, 5, 4), (3, 2, 5), (2, 7, 3), (1, 4, 9)]):
        for reverse in (False, True):
            start = [] if (k + reverse) % 2 else [r.real(n, h)]
            r.case('gru', lambda x, w, b, *s: recurrent('GRU', reverse)(x, w, b, *s), r.real(n, l, 3 * h), r.real(3 * h, h, lo=-1, hi=1), r.real(3 * h), *start, p={'reverse': reverse})
            start = start + [r.real(n, h)] if start else []
            r.case('lstm', lambda x, w, b, *s: recurrent('LSTM', reverse)(x, w, b, *s), r.real(n, l, 4 * h), r.real(4 * h, h, lo=-1, hi=1), r.real(4 * h), *start, p={'reverse': reverse})
    for k, (n, l, c, w) in enumerate([(1, 4, 3, 2), (2, 5, 1, 4), (1, 1, 6, 3), (2, 9, 5, 4), (3, 2, 2, 1), (1, 3, 17, 4)]):
        for silu in (False, True):
            parts = [r.real(c), r.real(n, w - 1, c)][:(k + silu) % 3]
            r.case('causal_conv1d', causal_conv1d(silu), r.real(n, l, c), r.real(c, w), *parts, p={'silu': silu})
    for k, (n, l, c, s, g) in enumerate([(1, 3, 2, 3, 1), (2, 5, 4, 1, 2), (1, 1, 3, 4, 3), (2, 9, 2, 2, 1), (1, 17, 6, 5, 2), (3, 2, 1, 3, 1)]):
        for softplus in (False, True):
            parts = [r.real(c), r.real(n, l, c), r.real(c), r.real(n, c, s)][:(k + 3 * softplus) % 5]
            r.case('selective_scan', selective_scan(softplus), r.real(n, l, c), r.real(n, l, c, lo=0.1, hi=1), r.real(c, s, lo=-2, hi=-0.1), r.real(n, l, g, s), r.real(n, l, g, s), *parts, p={'softplus': softplus})
    for k, (n, l, h, d, g, s) in enumerate([(1, 3, 2, 3, 1, 2), (2, 5, 4, 1, 2, 3), (1, 1, 3, 2, 3, 4), (2, 9, 2, 2, 1, 2), (1, 70, 2, 3, 1, 3), (3, 2, 1, 3, 1, 1)]):
        for limits in (None, (0.3, 1.2)):
            parts = [r.real(h), r.real(h), r.real(n, h, d, s)][:(k + (limits is not None)) % 4]
            r.case('ssd', ssd(True, limits), r.real(n, l, h, d), r.real(n, l, h), r.real(h, lo=-1, hi=-0.1), r.real(n, l, g, s), r.real(n, l, g, s), *parts,
                   p={'softplus': True, 'lo': limits[0] if limits else 0.0, 'hi': limits[1] if limits else 0.0})
    for k, (rows, d, groups, m) in enumerate([((4,), 3, 2, 5), ((2, 3), 2, 4, 1), ((7,), 5, 1, 3), ((1,), 1, 3, 2), ((9,), 4, 3, 17), ((0,), 3, 2, 2)]):
        for bias in (False, True):
            r.case('grouped_linear', grouped_linear, r.real(*rows, d), r.whole(*rows, start=-1, below=groups), r.real(groups, m, d), *([r.real(groups, m)] if bias else []))


def record(r):
    algebra(r)
    distances(r)
    boxes(r)
    recurrences(r)
