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
            lines.append(json.dumps(one(e, function)))
        elif table:
            print('no formula for', e['op'], e['case'], file=sys.stderr)
    print('[' + ',\n'.join(lines) + ']')


main()
