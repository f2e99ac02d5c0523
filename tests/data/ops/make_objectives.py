#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_objectives.py: what PyTorch computes, in float64, for losses, distances, linear algebra and quantisation -> objectives.json.

    LB_OPS_DUMP=/tmp/inputs.json build/tests/test-ops recorded
    python3 make_objectives.py /tmp/inputs.json > objectives.json        (made with torch 2.15 on CPU)

Inputs and weights come from the dump; gradients are those of sum(weight * result). Parameters of a case are repeated here on purpose: they are
the other side's reading of what the case means. Where torch has no such function the formula of the paper is written out on other lines than the
op's own: differences as tensors, no Gram matrix, no hand-made gradient."""
import json
import math
import sys

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def pair(function, **own):
    """The reductions that every element-wise loss is tested with."""
    def with_(reduction):
        def f(*x):
            each = function(*x, reduction='none', **own)
            return {'mean': each.mean, 'sum': each.sum, 'none': lambda: each, 'batch': lambda: each.sum() / each.shape[0]}[reduction]()
        return f
    return {'mean': with_('mean'), 'sum': with_('sum'), 'each': with_('none'), 'mean of the batch': with_('batch'), 'scalar': with_('mean'), 'empty': lambda x, *y: (x * 0).sum()}


def plain(function):
    return lambda *x, reduction: function(*x)


def cross(axis=1, reduction='mean', **own):
    def f(x, label, weight=None):
        if x.numel() == 0:
            return (x * 0).sum()
        x = torch.movedim(x, axis, 1) if x.dim() > 1 else x
        how = 'none' if reduction == 'batch' else reduction
        loss = F.cross_entropy(x, label, weight=None if weight is None else weight.detach(), reduction=how, **own)
        return loss.sum() / label.shape[0] if reduction == 'batch' else loss
    return f


def soft_cross(axis=1, reduction='mean', **own):
    def f(x, target, weight=None):
        if x.numel() == 0:
            return (x * 0).sum()
        x, target = torch.movedim(x, axis, 1), torch.movedim(target, axis, 1)
        loss = F.cross_entropy(x, target, weight=None if weight is None else weight.detach(), reduction='none', **own)
        return {'mean': loss.mean, 'sum': loss.sum, 'none': lambda: loss, 'batch': lambda: loss.sum() / loss.shape[0]}[reduction]()
    return f


def divergence(kind, temperature, share=0, axis=-1, reduction='mean'):
    def f(s, z, w=None):
        if s.numel() == 0:
            return (s * 0).sum()
        lq, lp = F.log_softmax(s / temperature, axis), F.log_softmax(z / temperature, axis)
        p, q = lp.exp(), lq.exp()
        mixed = {'js': (share, 1 - share), 'skew': (share, 1 - share), 'skew cross': (share, 1 - share), 'skewed': (1 - share, share)}.get(kind, (1, 0))
        lm = torch.log(mixed[0] * p + mixed[1] * q)
        each = {'forward': p * (lp - lq), 'reverse': q * (lq - lp), 'js': share * p * (lp - lm) + (1 - share) * q * (lq - lm), 'variation': (p - q).abs() / 2,
                'skew': p * (lp - lm), 'skewed': q * (lq - lm), 'cross': -p * lq, 'skew cross': -p * lm}[kind].sum(axis)
        if w is not None:
            each = each * w
            return each.sum() / w.sum() if reduction == 'mean' else each.sum()
        return {'mean': each.mean, 'sum': each.sum, 'none': lambda: each, 'batch': lambda: each.sum() / each.shape[0]}[reduction]()
    return f


def rkd_distance(x, y):
    def relative(x):
        d = (x[:, None] - x[None]).pow(2).sum(-1).clamp(min=1e-12).sqrt() * (1 - torch.eye(len(x)))
        return d / (d[d > 1.1e-6].mean() if (d > 1.1e-6).any() else 1)
    return F.smooth_l1_loss(relative(x), relative(y).detach())


def rkd_angle(x, y):
    def cosines(x):
        e = F.normalize(x[None] - x[:, None], dim=2)
        return e @ e.transpose(1, 2)
    return F.smooth_l1_loss(cosines(x), cosines(y).detach())


def info_nce(temperature, both):
    def f(a, b, scale=None):
        if a.numel() == 0:
            return (a * 0).sum() + (b * 0).sum()
        scores, label = F.normalize(a) @ F.normalize(b).T * (1 / temperature if scale is None else scale), torch.arange(len(a))
        rows = F.cross_entropy(scores, label)
        return (rows + F.cross_entropy(scores.T, label)) / 2 if both else rows
    return f


def siglip(a, b, scale=None, bias=None):
    if a.numel() == 0:
        return (a * 0).sum() + (b * 0).sum()
    scores = F.normalize(a) @ F.normalize(b).T * (2.5 if scale is None else scale) + (0 if bias is None else bias)
    return -F.logsigmoid(scores * (2 * torch.eye(len(a)) - 1)).sum() / len(a)


def focal(x, y, reduction, alpha=0.25, gamma=2):
    p = torch.sigmoid(x)
    a, b = (alpha, 1 - alpha) if alpha >= 0 else (1, 1)
    return -a * y * (1 - p) ** gamma * p.log() - b * (1 - y) * p ** gamma * (1 - p).log()


def gaussian(full):
    return lambda x, y, v=None, reduction='none': F.gaussian_nll_loss(x, y, torch.ones_like(x) if v is None else v.expand(x.shape), full=full, reduction='none')


def norm_mse(eps):
    return lambda x, t: F.mse_loss(F.layer_norm(x, x.shape[-1:], eps=eps), t) if x.numel() else (x * 0).sum()


def symmetric(function):
    return lambda x: function((x + x.transpose(-1, -2)) / 2)


def signs(v, axis):
    """-1 or 1, so that the largest component along the axis is positive."""
    at = v.abs().argmax(axis, keepdim=True)
    return torch.sign(torch.gather(v, axis, at)).detach()


def eigh(x):
    w, v = torch.linalg.eigh(x)
    return w, v * signs(v, -2)


def svd(x):
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    sign = signs(u, -2)
    return u * sign, s, vh * sign.transpose(-1, -2)


def qr(x):
    q, r = torch.linalg.qr(x)
    sign = torch.sign(torch.diagonal(r, dim1=-2, dim2=-1)).detach()
    return q * sign[..., None, :], r * sign[..., None]


def power(p, least=0):
    def f(x):
        w, v = torch.linalg.eigh(x)
        return (v * w.clamp(min=least)[..., None, :] ** p) @ v.transpose(-1, -2)
    return symmetric(f)


def triangular(upper, transposed):
    def f(t, x):
        t = torch.triu(t) if upper else torch.tril(t)
        return torch.linalg.solve(t.transpose(-1, -2) if transposed else t, x)
    return f


def distance(p, least=0.0):
    def f(a, b):
        d = (a[..., :, None, :] - b[..., None, :, :]).abs()
        return d.sum(-1) if p == 1 else d.pow(2).sum(-1) if p == 2 else d.pow(2).sum(-1).clamp(min=least).sqrt()
    return f


def nearest(k, themselves=True):
    def f(x, y):
        d = torch.cdist(x, y, compute_mode='donot_use_mm_for_euclid_dist') ** 2
        d = d if themselves else d + torch.diag(torch.full((d.shape[-1],), math.inf))
        value, index = torch.sort(d, dim=-1, stable=True)
        return value[..., :k], index[..., :k]
    return f


def kmeans(iterations, cosine):
    def f(x, y):
        y, count = y.clone(), torch.zeros(len(y), dtype=torch.int64)
        for _ in range(iterations):
            at = (x @ y.T).argmax(1) if cosine else torch.cdist(x, y).argmin(1) if len(x) else torch.zeros(0, dtype=torch.int64)
            count = torch.bincount(at, minlength=len(y))
            for k in range(len(y)):
                if count[k]:
                    mean = x[at == k].mean(0)
                    y[k] = F.normalize(mean, dim=0) if cosine else mean
        return y, count
    return lambda x, y: f(x.detach(), y.detach())


def sinkhorn(iterations):
    def f(x, rows=None, columns=None):
        y, rows, columns = x.exp(), 1 if rows is None else rows.detach()[:, None], 1 if columns is None else columns.detach()
        for _ in range(iterations):
            y = y / y.sum(-1, keepdim=True) * rows
            y = y / y.sum(-2, keepdim=True) * columns
        return y
    return f


def assignment(cost):
    from scipy.optimize import linear_sum_assignment
    return tuple(torch.tensor(i) for i in linear_sum_assignment(cost.detach().numpy()))


def transport(cost, supply, demand):
    from scipy.optimize import linprog
    n, m = cost.shape
    rows = [[1.0 if k // m == i else 0.0 for k in range(n * m)] for i in range(n)]
    columns = [[1.0 if k % m == j else 0.0 for k in range(n * m)] for j in range(m)]
    r = linprog(cost.detach().reshape(-1).numpy(), A_eq=rows + columns, b_eq=torch.cat([supply, demand]).detach().numpy(), method='highs')
    return torch.tensor(r.x).reshape(n, m)


def quantise(kind, grain, bits=0, clip=1.0, group=0, exponent=0, mantissa=0):
    """The formulas of topkld.md (methods), group by group; straight-through by detach."""
    def one(x):
        if kind == 'float':
            bias = 2 ** (exponent - 1) - 1
            most = 2.0 ** (2 ** exponent - 1 - bias) * (2 - 2.0 ** -mantissa)
            scale = max(float(x.detach().abs().max()) / most, 1e-12)
            v = (x / scale).detach()
            e = torch.floor(torch.log2(v.abs().clamp(min=1e-300))).clamp(min=1 - bias)
            step = 2.0 ** (e - mantissa)
            y = (torch.round(v / step) * step).clamp(-most, most) * scale
            return x + (y - x).detach(), torch.zeros_like(x), scale, 0
        if kind == 'symmetric':
            lo, hi, zero = -(2 ** (bits - 1) - 1), 2 ** (bits - 1) - 1, 0
            scale = max(clip * float(x.detach().abs().max()) / hi, 1e-12)
        else:
            lo, hi = 0, 2 ** bits - 1
            a, b = clip * min(float(x.detach().min()), 0), clip * max(float(x.detach().max()), 0)
            scale = max((b - a) / hi, 1e-12)
            zero = min(max(round(-a / scale), 0), hi)
        code = torch.round(x.detach() / scale) + zero
        passed = x * ((code >= lo) & (code <= hi))
        code = code.clamp(lo, hi)
        y = (code - zero) * scale
        return passed + (y - passed).detach(), code, scale, zero

    def f(x):
        if x.numel() == 0:
            return x * 1, x, torch.ones(1) * 1e-12, torch.zeros(1)
        rows = x.reshape(1, -1) if grain == 'tensor' else x.reshape(len(x), -1) if grain == 'channel' else x.reshape(-1, group)
        y, code, scale, zero = zip(*[one(r) for r in rows])
        return torch.stack(y).reshape(x.shape), torch.stack(code), torch.tensor(scale), torch.tensor(zero)
    return f


def minifloat(dtype, most):
    def f(x):
        y = x.detach().float().clamp(-most, most).to(dtype).double()
        return x + (y - x).detach()
    return f


def boxes(name):
    def f(a, b):
        a, b = torch.broadcast_tensors(a, b)
        lt, rb = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
        size_a, size_b, hull = a[..., 2:] - a[..., :2], b[..., 2:] - b[..., :2], torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
        inter = (rb - lt).clamp(min=0).prod(-1)
        union = size_a.prod(-1) + size_b.prod(-1) - inter
        iou = inter / union
        diou = iou - ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2).pow(2).sum(-1) / hull.pow(2).sum(-1)
        v = 4 / math.pi ** 2 * (torch.atan(size_b[..., 0] / size_b[..., 1]) - torch.atan(size_a[..., 0] / size_a[..., 1])) ** 2
        return {'iou': iou, 'giou': iou - (hull.prod(-1) - union) / hull.prod(-1), 'diou': diou, 'ciou': diou - v * v / (1 - iou + v)}[name]
    return f


def nms(b, scores):
    from torchvision.ops import nms as other
    keep = torch.zeros(len(b), dtype=torch.int64)
    if len(b):
        keep[other(b.detach(), scores.detach(), 0.3)] = 1
    return keep, torch.argsort(scores.detach(), descending=True, stable=True)


def dct(kind):
    def f(x):
        from scipy.fft import dct as other
        n = x.shape[-1]
        return x @ torch.tensor(other([[float(i == j) for j in range(n)] for i in range(n)], kind, norm='ortho'))
    return f


# op -> case -> function of the inputs; '*' = every other case
OPS = {
    'mse': pair(F.mse_loss),
    'l1': pair(F.l1_loss),
    'huber': pair(F.huber_loss, delta=0.75),
    'smooth_l1': pair(F.smooth_l1_loss, beta=0.75),
    'log_cosh': pair(plain(lambda x, y: torch.log(torch.cosh(x - y)))),
    'bce_logits': {**pair(F.binary_cross_entropy_with_logits),
                   'weighted classes': lambda x, y, w: F.binary_cross_entropy_with_logits(x, y, pos_weight=w.detach()),
                   'one weight': lambda x, y, w: F.binary_cross_entropy_with_logits(x, y, pos_weight=w.detach(), reduction='sum'),
                   'weight of each': lambda x, y, w: F.binary_cross_entropy_with_logits(x, y, pos_weight=w.detach(), reduction='none'),
                   'far': lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction='none')},
    'bce': pair(F.binary_cross_entropy),
    'focal': {**pair(focal), 'no alpha': lambda x, y: focal(x, y, 'none', -1, 1.5).sum()},
    'kl_div': {**pair(F.kl_div), 'logarithms': lambda x, y: F.kl_div(x, y, log_target=True, reduction='batchmean')},
    'gaussian_nll': {**pair(gaussian(False)), 'variance of each, full': lambda *x: gaussian(True)(*x).mean(), 'variance of a column': gaussian(False)},
    'gaussian_kl': pair(plain(lambda m, l: (m * m + l.exp() - 1 - l) / 2)),
    'margin_ranking': {**pair(plain(lambda a, b: F.margin_ranking_loss(a, b, torch.ones_like(a), margin=0.5, reduction='none'))),
                       'with orders': lambda a, b, y: F.margin_ranking_loss(a, b, y, margin=0.5)},
    'hinge_embedding': pair(F.hinge_embedding_loss),
    'cross_entropy': {'plain': cross(), 'smoothed, class 1 ignored': cross(ignore_index=1, label_smoothing=0.1), 'weighted': cross(ignore_index=1, label_smoothing=0.1),
                      'planes, each': cross(reduction='none', label_smoothing=0.2), 'planes of many': cross(), 'last axis, sum': cross(-1, 'sum', ignore_index=2),
                      'last axis, batch': cross(-1, 'batch', ignore_index=0, label_smoothing=0.1), 'one row': cross(0, 'sum', ignore_index=2), 'no rows': cross()},
    'soft_cross_entropy': {'plain': soft_cross(), 'smoothed, weighted': soft_cross(-1, 'sum', label_smoothing=0.1), 'planes, each': soft_cross(reduction='none', label_smoothing=0.2),
                           'batch': soft_cross(-1, 'batch'), 'no rows': soft_cross()},
    'divergence': {'forward': divergence('forward', 4), 'reverse, planes, each': divergence('reverse', 2, axis=1, reduction='none'), 'js': divergence('js', 1, 0.3, reduction='sum'),
                   'variation': divergence('variation', 1, reduction='batch'), 'skew forward': divergence('skew', 1, 0.1), 'skew reverse, first axis': divergence('skewed', 0.5, 0.2, 0),
                   'cross': divergence('cross', 2), 'skew cross': divergence('skew cross', 1, 0.4), 'no rows': divergence('forward', 4), 'one row': divergence('forward', 4),
                   'weighted rows': divergence('forward', 4), 'weighted planes, sum': divergence('reverse', 1, axis=1, reduction='sum')},
    'rkd_distance': {'*': rkd_distance},
    'rkd_angle': {'*': rkd_angle},
    'info_nce': {'further negatives': info_nce(0.3, False), '*': info_nce(0.5, True)},
    'siglip': {'*': siglip},
    'eigh': {'empty': lambda x: (x.sum(-1), x * 1), '*': symmetric(eigh)},
    'svd': {'empty': lambda x: (x * 1, x.sum(-1), x * 1), '*': svd},
    'cholesky': {'*': symmetric(torch.linalg.cholesky)},
    'triangular_solve': {'lower': triangular(False, False), 'upper batch': triangular(True, False), 'lower transposed': triangular(False, True), 'upper transposed': triangular(True, True), 'empty': lambda t, x: x * t.sum()},
    'solve': {'empty': lambda a, x: x * a.sum(), '*': torch.linalg.solve},
    'inverse': {'*': torch.linalg.inv},
    'log_det': {'*': lambda x: (torch.linalg.slogdet(x)[1], torch.linalg.slogdet(x)[0].detach())},
    'pinv': {'*': torch.linalg.pinv},
    'qr': {'empty': lambda x: (x * 1, x * 1), '*': qr},
    'sym_power': {'root': power(0.5), 'whitening, batch': power(-0.5, 0.1), 'square': symmetric(lambda x: x @ x), 'empty': lambda x: x * 1},
    'pairwise': {'squared': distance(2), 'euclidean batch': distance(0), 'euclidean, near': distance(0, 1e-12), 'l1': distance(1), 'empty': distance(0)},
    'nearest_rows': {'three others': nearest(3, False), '*': nearest(1)},
    'kmeans': {'cosine': kmeans(3, True), '*': kmeans(4, False)},
    'sinkhorn': {'to a tolerance': sinkhorn(200), '*': sinkhorn(3)},
    'assignment': {'*': assignment},
    'transport': {'*': transport},
    'fake_quantise': {'affine': quantise('affine', 'tensor', 4), 'symmetric rows, clipped': quantise('symmetric', 'channel', 3, 0.8), 'affine groups': quantise('affine', 'group', 8, 0.9, 3),
                      'fp4 rows': quantise('float', 'channel', exponent=2, mantissa=1), 'fp8': quantise('float', 'tensor', exponent=4, mantissa=3), 'empty': quantise('affine', 'tensor', 4)},
    'minifloat': {'e4m3': minifloat(torch.float8_e4m3fn, 448), 'e4m3 near 0': minifloat(torch.float8_e4m3fn, 448), 'e5m2': minifloat(torch.float8_e5m2, 57344), 'f16': minifloat(torch.float16, 65504),
                  'bf16': minifloat(torch.bfloat16, 3.3e38), 'empty': minifloat(torch.float16, 65504)},
    'box_iou': {'iou': boxes('iou'), 'giou pairs': boxes('giou'), 'diou': boxes('diou'), 'ciou': boxes('ciou'), 'empty': boxes('iou')},
    'nms': {'*': nms},
    'cosine_similarity': {'*': lambda a, b: F.cosine_similarity(a, b, dim=-1)},
    'triplet': {'plain': lambda a, p, n: F.triplet_margin_loss(a, p, n), 'empty': lambda a, p, n: (a * p * n).sum(),
                'swapped, each': lambda a, p, n: F.triplet_margin_loss(a.reshape(6, 4), p.reshape(6, 4), n.reshape(6, 4), margin=0.5, swap=True, reduction='none')},
    'dct': {'inverse': dct(3), 'inverse of a prime': dct(3), 'empty': lambda x: x * 1, '*': dct(2)},
    'layer_norm_mse': {'tokens': norm_mse(0.1), '*': norm_mse(1e-5)},
}


def numbers(x):
    return x.detach().reshape(-1).tolist()


def one(entry, function):
    inputs = [torch.tensor(i['data'], dtype=torch.float64 if i['real'] else torch.int64).reshape(i['shape']) for i in entry['in'] if not i['absent']]
    for x in inputs:
        if x.dtype == torch.float64:
            x.requires_grad_(True)
    out = function(*inputs)
    out = out if isinstance(out, (tuple, list)) else (out,)
    loss = sum((torch.tensor(w).reshape(y.shape) * y).sum() for w, y in zip(entry['weight'], out) if w)
    if torch.is_tensor(loss) and loss.requires_grad:
        loss.backward()
    present = iter(inputs)
    grads = [None if i['absent'] else next(present).grad for i in entry['in']]
    entry['grad'] = [None if g is None else numbers(g) for g in grads]
    entry['out'] = [numbers(y) for y in out]
    return entry


def main():
    with open(sys.argv[1]) as f:
        entries = json.load(f)
    lines = []
    for e in entries:
        table = OPS.get(e['op'], {})
        function = table.get(e['case'], table.get('*'))
        if function:
            lines.append(json.dumps(one(e, function), separators=(',', ':')))
        elif table:
            print('no formula for', e['op'], e['case'], file=sys.stderr)
    print('[' + ',\n'.join(lines) + ']')


main()
