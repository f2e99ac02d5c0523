# SPDX-License-Identifier: Apache-2.0
"""Objectives: element by element, over classes, over relations of rows."""
import torch
import torch.nn.functional as F

SHAPES = [(6,), (3, 4), (2, 3, 2), (1,), (4, 1), (5, 7)]


def focal(x, y, alpha, gamma):
    p = torch.sigmoid(x)
    a, b = (alpha, 1 - alpha) if alpha >= 0 else (1, 1)
    return -a * y * (1 - p) ** gamma * F.logsigmoid(x) - b * (1 - y) * p ** gamma * F.logsigmoid(-x)


def reduced(each, how):
    return [each.mean, each.sum, lambda: each, lambda: each.sum() / each.shape[0]][how]()


def divergence(s, z, w, kind, temperature, share, axis):
    lq, lp = F.log_softmax(s / temperature, axis), F.log_softmax(z / temperature, axis)
    p, q = lp.exp(), lq.exp()
    first = [1, 1, share, 1, share, 1 - share, 1, share][kind]
    lm = torch.log(first * p + (1 - first) * q)
    each = [p * (lp - lq), q * (lq - lp), share * p * (lp - lm) + (1 - share) * q * (lq - lm), (p - q).abs() / 2, p * (lp - lm), q * (lq - lm), -p * lq, -p * lm][kind].sum(axis)
    return each if w is None else each * w


def rkd_distance(x, y):
    def relative(x):
        d = (x[:, None] - x[None]).pow(2).sum(-1).clamp(min=1e-12).sqrt() * (1 - torch.eye(len(x)))
        return d / d[d > 1.1e-6].mean()
    return F.smooth_l1_loss(relative(x), relative(y).detach())


def rkd_angle(x, y):
    def cosines(x):
        e = F.normalize(x[None] - x[:, None], dim=2)
        return e @ e.transpose(1, 2)
    return F.smooth_l1_loss(cosines(x), cosines(y).detach())


def info_nce(a, b, scale, temperature, both):
    scores, label = F.normalize(a) @ F.normalize(b).T * (1 / temperature if scale is None else scale), torch.arange(len(a))
    rows = F.cross_entropy(scores, label)
    return (rows + F.cross_entropy(scores.T, label)) / 2 if both else rows


def siglip(a, b, scale, bias, temperature):
    scores = F.normalize(a) @ F.normalize(b).T * (1 / temperature if scale is None else scale) + (0 if bias is None else bias)
    return -F.logsigmoid(scores * (2 * torch.eye(len(a)) - 1)).sum() / len(a)


def elementwise(r):
    for k, shape in enumerate(SHAPES * 4):
        how = k // len(SHAPES)

        def each(op, f, *x, p=None, fixed=()):
            r.case(op, lambda *x: reduced(f(*x), how), *x, p={**(p or {}), 'reduction': how}, fixed=fixed)
        x, y, chance, odds, sign = r.real(*shape), r.real(*shape), r.real(*shape, lo=0.05, hi=0.95), r.real(*shape, lo=0.05, hi=0.95), torch.where(r.real(*shape) > 0, 1.0, -1.0)
        each('mse', lambda x, y: (x - y) ** 2, x, y)
        each('l1', lambda x, y: F.l1_loss(x, y, reduction='none'), x, y)
        each('log_cosh', lambda x, y: torch.log(torch.cosh(x - y)), x, y)
        delta = [0.5, 1.0, 2.0][k % 3]
        each('huber', lambda x, y: F.huber_loss(x, y, delta=delta, reduction='none'), x, y, p={'delta': delta})
        each('smooth_l1', lambda x, y: F.smooth_l1_loss(x, y, beta=delta, reduction='none'), x, y, p={'beta': delta})
        each('bce', lambda x, y: F.binary_cross_entropy(x, y, reduction='none'), chance, odds)
        weight = r.real(shape[-1], lo=0.5, hi=3) if k % 2 else None
        each('bce_logits', lambda x, y, w=None: F.binary_cross_entropy_with_logits(x, y, pos_weight=w, reduction='none'), x * 4, odds, *([weight] if k % 2 else []), fixed=(2,))
        alpha, gamma = [(0.25, 2.0), (-1.0, 1.5), (0.5, 0.0)][k % 3]
        each('focal', lambda x, y: focal(x, y, alpha, gamma), x, odds, p={'alpha': alpha, 'gamma': gamma})
        each('kl_div', lambda x, y: F.kl_div(x, y, reduction='none'), -chance, odds, p={'log_target': False})
        each('kl_div', lambda x, y: F.kl_div(x, y, reduction='none', log_target=True), -chance, -odds, p={'log_target': True})
        each('gaussian_kl', lambda m, v: -0.5 * (1 + v - m ** 2 - v.exp()), x, y)
        full = k % 2 == 0
        each('gaussian_nll', lambda x, y, v: F.gaussian_nll_loss(x, y, v, full=full, reduction='none'), x, y, chance, p={'eps': 1e-6, 'full': full})
        each('margin_ranking', lambda a, b, y: F.margin_ranking_loss(a, b, y, margin=0.5, reduction='none'), x, y, sign, p={'margin': 0.5}, fixed=(2,))
        each('hinge_embedding', lambda x, y: F.hinge_embedding_loss(x, y, margin=1.5, reduction='none'), x, sign, p={'margin': 1.5}, fixed=(1,))


def classes(r):
    for k, (shape, axis) in enumerate([((4, 5), 1), ((3, 7), -1), ((2, 4, 3), 1), ((2, 3, 4), 2), ((2, 5, 2, 2), 1), ((6,), 0), ((5, 2), 1), ((1, 3), 1), ((3, 33), 1)] * 4):
        how, rest = k // 9, [n for i, n in enumerate(shape) if i != axis % len(shape)]
        smoothing = [0.0, 0.1, 0.3][k % 3]
        weight = r.real(shape[axis], lo=0.2, hi=2) if k % 2 and how < 3 else None
        label, x, q = r.whole(*rest, below=shape[axis]), r.real(*shape, lo=-4, hi=4), r.real(*shape, lo=0, hi=1)
        ignore = int(label.flatten()[0]) if k % 4 == 3 and len(label.unique()) > 1 else -100

        def hard(x, label, w=None):
            x = x.movedim(axis, 1) if x.dim() > 1 else x
            loss = F.cross_entropy(x, label, weight=w, ignore_index=ignore, label_smoothing=smoothing, reduction=['mean', 'sum', 'none', 'sum'][how])
            return loss / (label.shape[0] if how == 3 and label.dim() else 1)

        def soft(x, q, w=None):
            x, q = (v.movedim(axis, 1) if v.dim() > 1 else v for v in (x, q))
            loss = F.cross_entropy(x, q, weight=w, label_smoothing=smoothing, reduction='none')
            return reduced(loss, how) if loss.dim() or how < 3 else loss
        more = [] if weight is None else [weight]
        r.case('cross_entropy', hard, x, label, *more, p={'axis': axis, 'ignore': ignore, 'smoothing': smoothing, 'reduction': how}, fixed=(2,))
        r.case('soft_cross_entropy', soft, x, q, *more, p={'axis': axis, 'smoothing': smoothing, 'reduction': how}, fixed=(2,))
    for k in range(48):
        kind, (shape, axis) = k % 8, [((4, 5), 1), ((2, 4, 3), 1), ((3, 6), 0), ((2, 3, 4), -1), ((5, 11), -1)][k % 5]
        how, temperature, share, rest = k // 12, [1.0, 2.0, 4.0, 0.5][k % 4], [0.1, 0.3, 0.5][k % 3], [n for i, n in enumerate(shape) if i != axis % len(shape)]
        weight = [r.real(*rest, lo=0.1, hi=2)] if k % 7 == 3 and how < 2 else []

        def f(s, z, w=None):
            each = divergence(s, z, w, kind, temperature, share, axis)
            return each.sum() / w.sum() if w is not None and how == 0 else reduced(each, how)
        r.case('divergence', f, r.real(*shape, lo=-3, hi=3), r.real(*shape, lo=-3, hi=3), *weight, p={'kind': kind, 'temperature': temperature, 'share': share, 'axis': axis, 'reduction': how}, fixed=(2,))


def relations(r):
    for n, d, e in ((2, 3, 2), (3, 4, 4), (5, 2, 3), (6, 8, 5), (4, 1, 1), (8, 5, 2), (3, 17, 9), (7, 6, 6)):
        r.case('rkd_distance', rkd_distance, r.real(n, d), r.real(n, e), fixed=(1,))
        r.case('rkd_angle', rkd_angle, r.real(n, d), r.real(n, e), fixed=(1,))
        for both, m in ((True, n), (False, n), (False, n + e)):
            scaled = [r.real(lo=0.5, hi=4)] if (n + m) % 2 else []
            r.case('info_nce', lambda a, b, s=None: info_nce(a, b, s, 0.3, both), r.real(n, d), r.real(m, d), *scaled, p={'temperature': 0.3, 'both': both})
        for scale, bias in ((None, None), (r.real(lo=1, hi=4), None), (r.real(lo=1, hi=4), r.real())):
            r.case('siglip', lambda a, b, s=None, c=None: siglip(a, b, s, c, 0.4), r.real(n, d), r.real(n, d), scale, bias, p={'temperature': 0.4})
    for shape, eps in (((3, 4), 1e-5), ((2, 3, 5), 1e-5), ((1, 8), 0.1), ((4, 2), 1e-3), ((2, 2, 2, 6), 1e-6), ((5, 33), 1e-5)):
        r.case('layer_norm_mse', lambda x, t: F.mse_loss(F.layer_norm(x, x.shape[-1:], eps=eps), t), r.real(*shape), r.real(*shape), p={'eps': eps})


def record(r):
    elementwise(r)
    classes(r)
    relations(r)
