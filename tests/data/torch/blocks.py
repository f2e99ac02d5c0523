# SPDX-License-Identifier: Apache-2.0
"""Blocks of networks without gradient."""
import torch.nn.functional as F

from layers import ACTS


def inverted(r):
    def block(x, expand, expand_b, expand_s, depth, depth_b, depth_s, narrow, narrow_b, widen, widen_b, project, project_b, project_s):
        ends = lambda y, b, s: (y if s is None else y * s.reshape(1, -1, 1, 1)) + (0 if b is None else b.reshape(1, -1, 1, 1))
        y = x if expand is None else ACTS[act](ends(F.conv2d(x, expand), expand_b, expand_s))
        y = ACTS[act](ends(F.conv2d(F.pad(y, (before, after, before, after)), depth, None, stride, 0, 1, depth.shape[0]), depth_b, depth_s))
        if narrow is not None:
            s = ACTS[inner](F.conv2d(y.mean((2, 3), keepdim=True), narrow, narrow_b))
            y = y * ACTS[gate](F.conv2d(s, widen, widen_b))
        y = ends(F.conv2d(y, project), project_b, project_s)
        return x + y if add else y
    for k, (n, c, size, e, kernel, stride, before, after, squeeze, o, act, inner, gate) in enumerate([
            (2, 4, (9, 7), 20, 3, 1, 1, 1, 0, 4, 1, 0, 0), (1, 16, (15, 14), 40, 5, 1, 2, 2, 8, 16, 8, 1, 9), (3, 5, (8, 9), 33, 3, 2, 1, 1, 0, 7, 2, 0, 0), (1, 6, (12, 11), 36, 5, 2, 1, 2, 2, 10, 5, 5, 6),
            (2, 8, (6, 6), 8, 3, 1, 1, 1, 0, 8, 1, 0, 0), (1, 24, (7, 7), 24, 3, 2, 0, 1, 6, 34, 8, 1, 9), (1, 3, (1, 1), 18, 3, 1, 1, 1, 4, 3, 1, 1, 9), (1, 2, (5, 40), 70, 7, 1, 3, 3, 0, 2, 3, 0, 0)]):
        add = stride == 1 and c == o
        widens, ends = e != c, k % 3 != 2
        part = lambda there, *shape: r.real(*shape, lo=-1, hi=1) if there else None
        r.case('inverted_residual', block, r.real(n, c, *size), part(widens, e, c, 1, 1), part(widens and ends, e), part(widens and ends, e), part(True, e, 1, kernel, kernel), part(ends, e), part(ends, e),
               part(squeeze, squeeze, e, 1, 1), part(squeeze, squeeze), part(squeeze, e, squeeze, 1, 1), part(squeeze, e), part(True, o, e, 1, 1), part(ends, o), part(ends, o),
               p={'stride': [stride] * 2, 'before': [before] * 2, 'after': [after] * 2, 'act': act, 'inner_act': inner, 'gate': gate, 'add': add}, fixed=True)


def record(r):
    inverted(r)
