# SPDX-License-Identifier: Apache-2.0
"""Places, masks, orders and counts."""
import math

import torch
import torch.nn.functional as F


def segment_max(x, label, count):
    """The row with the largest value, of equal ones the first; 0 without any."""
    rows = [x[label == k].max(0).values if (label == k).any() else torch.zeros_like(x[0]) for k in range(count)]
    return torch.stack(rows)


def bins(x, n, lo, hi):
    return torch.histc(x, n, lo, hi)


def unique(x):
    return torch.unique(x, return_inverse=True, return_counts=True)


def with_rare(r, *shape):
    x = r.tied(*shape)
    x[0, 0], x[0, 2], x[1, 1], x[1, 0] = math.nan, math.inf, -math.inf, math.nan
    return x


def record(r):
    for n, width, ids in ((5, 3, (4,)), (7, 2, (2, 3)), (1, 4, (3,)), (6, 1, ()), (4, 2, (2, 2, 3)), (3, 5, (0,)), (40, 3, (17,)), (9, 8, (30,))):
        r.case('embedding', lambda w, i: F.embedding(i, w), r.real(n, width), r.whole(*ids, below=n))
        r.case('index_select', lambda x, i: x[i], r.real(n, width), r.whole(*ids, below=n))
    for n in (4, 6):
        r.case('index_select', lambda x, i: x[i], r.real(n, 2, 3), r.whole(7, below=n))
    for shape, k, axis in (((7,), 3, 0), ((3, 5), 4, 1), ((3, 5), 6, 0), ((2, 3, 4), 2, 1), ((2, 3, 4), 5, -1), ((2, 3, 4), 1, 0), ((1, 1), 3, 1), ((3, 5), 0, 1), ((2, 3, 2, 4), 3, -2), ((4, 9), 9, 0)):
        at = axis % len(shape)
        like = [k if i == at else n for i, n in enumerate(shape)]
        index, once = r.whole(*like, below=shape[axis]), r.real(*shape).argsort(at).narrow(at, 0, min(k, shape[axis]))
        source = list(once.shape)
        p = {'axis': axis}
        r.case('gather', lambda x, i: x.gather(axis, i), r.real(*shape), index, p=p)
        r.case('scatter', lambda x, i, s: x.scatter(axis, i, s), r.real(*shape), once, r.real(*source), p=p)
        r.case('scatter_add', lambda x, i, s: x.scatter_add(axis, i, s), r.real(*shape), index, r.real(*like), p=p)
        line = r.whole(k, below=shape[axis])
        r.case('index_add', lambda x, i, s: x.index_add(axis, i, s), r.real(*shape), line, r.real(*like), p=p)
        r.case('take', lambda x, i: x.index_select(axis, i), r.real(*shape), line, p=p)
    for shape, mask in (((5,), (5,)), ((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 3, 4), (3, 1)), ((2, 3), (1,)), ((0, 3), (0, 3)), ((2, 3, 2, 2), (2, 1, 1, 2))):
        for value in (-7.0, 0.0):
            r.case('masked_fill', lambda x, m: x.masked_fill(m != 0, value), r.real(*shape), r.whole(*mask, below=2), p={'value': value})
        full = r.whole(*shape, below=2)
        r.case('masked_scatter', lambda x, m, s: x.masked_scatter(m != 0, s), r.real(*shape), full, r.real(int(full.sum()) + len(shape) - 1))
        r.case('nonzero', torch.nonzero, r.tied(*shape), fixed=True)
    for shape, k in (((9,), 3), ((3, 8), 1), ((3, 8), 8), ((2, 3, 5), 2), ((2, 3, 5), 0), ((4, 40), 7), ((1, 1), 1), ((2, 65), 65), ((0, 4), 2)):
        x = r.distinct(*shape)
        r.case('topk', lambda x: tuple(x.topk(k)), x, p={'k': k})
        r.case('smallest', lambda x: tuple(x.topk(k, largest=False)), x, p={'k': k})
        for down in (False, True):
            r.case('sort', lambda x: x.sort(stable=True, descending=down).values, x, p={'descending': down})
            r.case('argsort', lambda x: x.argsort(stable=True, descending=down), x, p={'descending': down}, fixed=True)
    for down in (False, True):
        for x in (r.tied(3, 9), r.tied(2, 30), with_rare(r, 3, 6)):
            r.case('sort', lambda x: x.sort(stable=True, descending=down).values, x, p={'descending': down}, fixed=True)
            r.case('argsort', lambda x: x.argsort(stable=True, descending=down), x, p={'descending': down}, fixed=True)
    for shape in ((6,), (3, 4), (2, 3, 3), (1,), (40,), (0,)):
        r.case('unique', unique, r.tied(*shape), fixed=True)
        r.case('unique', unique, r.whole(*shape, below=6))
    for shape in ((6,), (3, 9), (2, 3, 5), (1, 1), (4, 20), (2, 31)):
        r.case('mode', lambda x: x.mode(-1).values, r.tied(*shape), fixed=True)
    for n, count in ((6, 4), (0, 3), (30, 7), (1, 1), (12, 20), (50, 2)):
        ids = r.whole(n, below=count)
        r.case('bincount', lambda i: torch.bincount(i, minlength=count).double(), ids, p={'count': count})
        r.case('one_hot', lambda i: F.one_hot(i, count).double(), ids, p={'count': count})
    r.case('one_hot', lambda i: F.one_hot(i, 4).double(), r.whole(2, 3, below=4), p={'count': 4})
    r.case('one_hot', lambda i: F.one_hot(i, 4).double(), r.whole(below=4), p={'count': 4})
    for n, count, lo, hi in ((20, 4, -1.0, 1.0), (40, 10, -2.0, 2.0), (0, 3, 0.0, 1.0), (9, 1, -2.0, 2.0), (30, 8, 0.0, 2.0), (25, 5, -0.5, 1.5)):
        r.case('histogram', lambda x: bins(x, count, lo, hi), r.real(n), p={'bins': count, 'lo': lo, 'hi': hi}, fixed=True)
    for shape, other in (((5,), (7,)), ((2, 6), (2, 4)), ((2, 3, 4), (2, 3, 2)), ((1,), (5,)), ((17,), (0,)), ((33,), (20,))):
        for after in (False, True):
            r.case('searchsorted', lambda s, x: torch.searchsorted(s, x, right=after), r.tied(*shape).sort().values, r.tied(*other), p={'after': after}, fixed=True)
    for n, width, count in ((6, 3, 4), (9, 1, 2), (12, 4, 20), (1, 2, 1), (20, 5, 3), (7, 2, 7)):
        r.case('segment_max', lambda x, i: segment_max(x, i, count), r.distinct(n, width), r.whole(n, below=count), p={'count': count})
    # a few of many: of equal ones the first, NaN above all
    for k in (3, 16, 30):
        for x in (r.tied(1, 300), with_rare(r, 2, 260), r.distinct(1, 300)):
            for op, down in (('topk', True), ('smallest', False)):
                r.case(op, lambda x: tuple(y.narrow(-1, 0, k) for y in x.sort(stable=True, descending=down)), x, p={'k': k}, fixed=True)
