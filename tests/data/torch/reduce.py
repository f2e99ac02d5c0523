# SPDX-License-Identifier: Apache-2.0
"""Reductions over axes, running sums, softmax."""
import math

import torch
import torch.nn.functional as F

SHAPES = [((7,), [0]), ((3, 5), [1]), ((3, 5), [0]), ((2, 3, 4), [1]), ((2, 3, 4), [0, 2]), ((2, 3, 4), [1, 2]), ((2, 3, 4), [-1]), ((2, 1, 3, 2), [0, 1, 3]), ((4, 4), []), ((1, 6), [0]), ((33, 2), [0])]
ONE = [((7,), 0), ((3, 5), 1), ((3, 5), 0), ((2, 3, 4), 1), ((2, 3, 4), -1), ((2, 3, 4), 0), ((1, 6), 0), ((6, 1), -1), ((2, 3, 2, 4), -2), ((41,), 0), ((3, 17), -1)]


def over(f):
    """Torch functions that take one axis at a time, none or several."""
    return lambda x, axes, keep: f(x, axes or list(range(x.dim())), keep)


def one_by_one(f):
    def g(x, axes, keep):
        for a in axes:
            x = f(x, a, True)
        return x if keep else x.squeeze(axes)
    return g


OVER = {
    'sum_over': over(lambda x, a, k: x.sum(a, k)), 'mean_over': over(lambda x, a, k: x.mean(a, k)), 'amax': over(lambda x, a, k: x.amax(a, k)), 'amin': over(lambda x, a, k: x.amin(a, k)),
    'logsumexp_over': over(lambda x, a, k: x.logsumexp(a, k)), 'prod': over(one_by_one(lambda x, a, k: x.prod(a, k))),
    'all': over(lambda x, a, k: (x != 0).all(a, k)), 'any': over(lambda x, a, k: (x != 0).any(a, k)), 'count_nonzero': over(lambda x, a, k: (x != 0).sum(a, k).double()),
}
ALONG = {
    'sum': lambda x, a, k: x.sum(a, k), 'mean': lambda x, a, k: x.mean(a, k), 'max': lambda x, a, k: x.max(a, k).values, 'min': lambda x, a, k: x.min(a, k).values,
    'logsumexp': lambda x, a, k: x.logsumexp(a, k),
}
RUNNING = {
    'cumsum': lambda x, a: x.cumsum(a), 'cumprod': lambda x, a: x.cumprod(a), 'logcumsumexp': lambda x, a: x.logcumsumexp(a), 'cummax': lambda x, a: tuple(x.cummax(a)), 'cummin': lambda x, a: tuple(x.cummin(a)),
    'cumsum_reverse': lambda x, a: x.flip(a).cumsum(a).flip(a), 'logcumsumexp_reverse': lambda x, a: x.flip(a).logcumsumexp(a).flip(a), 'softmax': torch.softmax, 'log_softmax': torch.log_softmax,
}


def record(r):
    for op, f in OVER.items():
        for k, (shape, axes) in enumerate(SHAPES):
            x = r.tied(*shape) if op in ('all', 'any', 'count_nonzero', 'amax', 'amin') else r.real(*shape)
            r.case(op, lambda x: f(x, axes, k % 2 == 1), x, p={'axes': axes, 'keep': k % 2 == 1}, fixed=True if op in ('all', 'any', 'count_nonzero') else ())
        if op not in ('amax', 'amin', 'logsumexp_over'):
            r.case(op, lambda x: f(x, [1], False), r.real(3, 0), p={'axes': [1], 'keep': False}, fixed=True)
        r.case(op, lambda x: f(x, [0], False), r.real(0, 3) if op in ('sum_over', 'prod') else r.real(4, 0), p={'axes': [0], 'keep': False}, fixed=True)
        x = r.real(5, 4)
        x[0, 0], x[1, 1], x[2, 2], x[2, 3] = math.nan, math.inf, math.inf, -math.inf
        r.case(op, lambda x: f(x, [1], False), x, p={'axes': [1], 'keep': False}, fixed=True)
    for zeros in ([], [3], [1, 4], [0, 1, 2]):
        x = r.real(2, 6)
        x[0, zeros] = 0
        r.case('prod', lambda x: x.prod(1), x, p={'axes': [1], 'keep': False})
        r.case('cumprod', lambda x: x.cumprod(1), x, p={'axis': 1})
    for op, f in ALONG.items():
        for k, (shape, axis) in enumerate(ONE):
            r.case(op, lambda x: f(x, axis, k % 2 == 0), r.distinct(*shape) if op in ('max', 'min') else r.real(*shape), p={'axis': axis, 'keep': k % 2 == 0})
        r.case(op, lambda x: f(x, 0, True), r.real(4, 0), p={'axis': 0, 'keep': True})
    for op, f in (('sum_all', torch.sum), ('mean_all', torch.mean)):
        for shape in ((), (1,), (7,), (3, 5), (2, 3, 4), (2, 1, 3, 2)):
            r.case(op, f, r.real(*shape))
    for k, (shape, axes) in enumerate(SHAPES + SHAPES[:6]):
        full = axes or list(range(len(shape)))
        correction = [0.0, 1.0, 0.5][k % 3] if shape != (1, 6) else 0.0
        keep = k % 2 == 0
        p = {'axes': axes, 'keep': keep, 'correction': correction}
        r.case('var_over', lambda x: x.var(full, correction=correction, keepdim=keep), r.real(*shape), p=p)
        if shape != (1, 6):
            r.case('std', lambda x: x.std(full, correction=correction, keepdim=keep), r.real(*shape), p=p)
        for power in (1.0, 2.0, 3.0, 2.5, 0.5)[k % 2::2]:
            r.case('norm', lambda x: torch.linalg.vector_norm(x, power, full, keep), r.real(*shape), p={'axes': axes, 'keep': keep, 'power': power})
    for power in (math.inf, -math.inf, 0.0):
        for x in (r.distinct(3, 5), r.tied(4, 6), r.real(9)):
            r.case('norm', lambda x: torch.linalg.vector_norm(x, power, -1, False), x, p={'axes': [-1], 'keep': False, 'power': str(power)}, fixed=() if power else True)
    for k, (shape, axis) in enumerate(ONE):
        correction = 0.0 if shape[axis] == 1 else [0.0, 1.0][k % 2]
        r.case('var', lambda x: x.var(axis, correction=correction, keepdim=k % 2 == 0), r.real(*shape), p={'axis': axis, 'keep': k % 2 == 0, 'correction': correction})
    for op, f in RUNNING.items():
        for shape, axis in ONE:
            r.case(op, lambda x: f(x, axis), r.distinct(*shape) if op in ('cummax', 'cummin') else r.real(*shape), p={'axis': axis})
        r.case(op, lambda x: f(x, 1), r.real(3, 0), p={'axis': 1}, fixed=True)
        if op in ('cummax', 'cummin'):
            r.case(op, lambda x: f(x, 1), r.tied(3, 9), p={'axis': 1})
        if op != 'cumprod' and 'sum' not in op:
            x = r.real(5, 6)
            x[0, 2], x[1, 1], x[2, 3], x[3], x[4, 0] = math.nan, math.inf, -math.inf, -math.inf, -60.0
            r.case(op, lambda x: f(x, 1), x, p={'axis': 1}, fixed=True)
        if 'softmax' in op:
            for size in (3, 40):
                r.case(op, lambda x: f(x, -1), r.real(3, size, lo=-40, hi=40), p={'axis': -1})
    for op, f in (('argmax', torch.argmax), ('argmin', torch.argmin)):
        for shape, axis in ONE:
            r.case(op, lambda x: f(x, axis), r.distinct(*shape), p={'axis': axis}, fixed=True)
        r.case(op, lambda x: f(x, 1), r.tied(5, 8), p={'axis': 1}, fixed=True)
        x = r.real(3, 4)
        x[0, 2], x[1, 1], x[2, 3] = math.nan, math.inf, -math.inf
        r.case(op, lambda x: f(x, 1), x, p={'axis': 1}, fixed=True)
    for shape in ((5,), (3, 4), (2, 3, 6), (1, 1), (4, 9), (2, 0, 3)):
        r.case('normalize', lambda x: F.normalize(x, dim=-1, eps=1e-12), r.real(*shape), p={'eps': 1e-12})
        r.case('normalize', lambda x: F.normalize(x, dim=-1, eps=2.5), r.real(*shape), p={'eps': 2.5})
