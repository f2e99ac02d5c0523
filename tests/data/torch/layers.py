# SPDX-License-Identifier: Apache-2.0
"""Products, convolutions, pooling, normalisation, attention, resizing."""
import torch
import torch.nn.functional as F

ACTS = [lambda x: x, F.relu, F.relu6, F.gelu, lambda x: F.gelu(x, approximate='tanh'), F.silu, torch.sigmoid, torch.tanh, F.hardswish, F.hardsigmoid]


def products(r):
    for k, (a, b) in enumerate([((2, 3), (3, 4)), ((1, 5), (5, 1)), ((2, 3, 4), (2, 4, 2)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 2), (3, 2, 4)), ((4, 0), (0, 3)), ((7, 9), (9, 8)), ((1, 1), (1, 1))]):
        for ta, tb in ((False, False), (True, False), (False, True), (True, True)):
            turn = lambda s, t: (*s[:-2], s[-1], s[-2]) if t else s
            r.case('matmul', lambda a, b: (a.mT if ta else a) @ (b.mT if tb else b), r.real(*turn(a, ta)), r.real(*turn(b, tb)), p={'trans_a': ta, 'trans_b': tb})
    for k, (x, m) in enumerate([((4,), 3), ((2, 3), 4), ((2, 3, 5), 2), ((0, 3), 2), ((1, 1), 1), ((5, 7), 9), ((2, 2, 2, 3), 3)] * 3):
        act = [0, 1, 2, 6, 7, 0][k % 6]
        r.case('linear', lambda x, w, b=None: ACTS[act](F.linear(x, w, b)), r.real(*x), r.real(m, x[-1]), *([r.real(m)] if k % 3 else []), p={'act': act})


def convolutions(r):
    for k, (n, c, size, o, kernel, stride, pad, dilation, groups) in enumerate([
            (1, 1, (5,), 1, (3,), 1, 0, 1, 1), (2, 3, (8,), 4, (3,), 1, 1, 1, 1), (1, 4, (9,), 6, (3,), 2, 1, 1, 2), (2, 3, (10,), 3, (5,), 1, 2, 1, 3), (1, 2, (12,), 3, (3,), 3, 2, 2, 1), (1, 4, (7,), 2, (1,), 1, 0, 1, 1),
            (3, 2, (6,), 2, (2,), 2, 0, 1, 1), (1, 2, (4,), 2, (4,), 1, 3, 1, 2), (2, 6, (11,), 6, (3,), 2, 1, 1, 6), (1, 3, (16,), 8, (7,), 2, 3, 1, 1),
            (1, 1, (4, 5), 1, (3, 3), 1, 0, 1, 1), (2, 3, (5, 4), 2, (3, 3), 1, 1, 1, 1), (1, 4, (6, 6), 4, (3, 3), 2, 1, 1, 2), (1, 3, (6, 5), 3, (3, 3), 1, 1, 1, 3), (2, 2, (7, 7), 2, (5, 5), 2, 2, 1, 2),
            (1, 5, (3, 4), 3, (1, 1), 1, 0, 1, 1), (1, 3, (6, 6), 2, (1, 1), 2, 0, 1, 1), (1, 2, (7, 8), 3, (3, 3), 1, 2, 2, 1), (1, 2, (5, 9), 2, (1, 5), 1, 2, 1, 1), (1, 2, (8, 3), 4, (4, 2), 2, 1, 1, 1), (1, 3, (9, 9), 4, (7, 7), 4, 3, 1, 1),
            (1, 4, (8, 8), 8, (3, 3), 1, 1, 1, 4), (3, 1, (3, 3), 2, (2, 2), 1, 1, 1, 1), (1, 2, (4, 4), 2, (2, 2), 2, 0, 1, 1), (1, 8, (5, 5), 8, (3, 3), 1, 1, 1, 8),
            (1, 1, (3, 4, 3), 1, (2, 2, 2), 1, 0, 1, 1), (1, 2, (4, 3, 4), 2, (3, 3, 3), 1, 1, 1, 1), (2, 2, (3, 4, 4), 2, (3, 3, 3), 2, 1, 1, 2), (1, 2, (3, 3, 3), 3, (1, 1, 1), 1, 0, 1, 1), (1, 1, (5, 5, 5), 2, (2, 3, 2), 1, 2, 2, 1),
            (1, 3, (2, 4, 4), 3, (1, 3, 3), 1, 1, 1, 3)]):
        d = len(size)
        f, p = [F.conv1d, F.conv2d, F.conv3d][d - 1], {'stride': [stride] * d, 'dilation': [dilation] * d, 'groups': groups}
        for bias in (False, True):
            more = [r.real(o)] if bias else []
            act = k % 3 if bias and d < 3 else 0
            r.case(f'conv{d}d', lambda x, w, b=None: ACTS[act](f(x, w, b, stride, pad, dilation, groups)), r.real(n, c, *size), r.real(o, c // groups, *kernel), *more,
                   p={**p, 'before': [pad] * d, 'after': [pad] * d, 'act': act})
        # uneven padding: more at the end, so that every op has cases of it
        after = [pad + 1 - i % 2 for i in range(d)]
        flat = [v for a in after[::-1] for v in (pad, a)]
        r.case(f'conv{d}d', lambda x, w: f(F.pad(x, flat), w, None, stride, 0, dilation, groups), r.real(n, c, *size), r.real(o, c // groups, *kernel), p={**p, 'before': [pad] * d, 'after': after})
        g = [F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d][d - 1]
        for more in {0, stride - 1}:
            if all(dilation * (v - 1) + 1 + more > 2 * pad - (s - 1) * stride for v, s in zip(kernel, size)):
                r.case(f'conv_transpose{d}d', lambda x, w, b: g(x, w, b, stride, pad, more, groups, dilation), r.real(n, c, *size), r.real(c, o // groups if o % groups == 0 else 1, *kernel),
                       r.real(o if o % groups == 0 else groups), p={**p, 'before': [pad] * d, 'after': [pad] * d, 'more': [more] * d})


def pooling(r):
    for k, (shape, size, stride, pad, ceil) in enumerate([((1, 2, 9), 3, 1, 0, False), ((2, 1, 8), 2, 2, 0, False), ((1, 2, 10), 3, 2, 1, True), ((1, 1, 7), 4, 3, 2, False), ((2, 2, 5, 6), 2, 2, 0, False), ((1, 2, 6, 6), 3, 1, 1, False),
                                                          ((1, 1, 7, 5), 3, 2, 1, False), ((1, 2, 7, 8), 3, 2, 1, True), ((1, 1, 6, 7), 2, 2, 0, True), ((2, 1, 4, 4), 4, 4, 0, False), ((1, 1, 4, 5, 4), 2, 2, 0, False), ((1, 2, 4, 4, 4), 3, 1, 1, False)]):
        d = len(shape) - 2
        mean, p = [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d][d - 1], {'size': [size] * d, 'stride': [stride] * d, 'pad': [pad] * d, 'ceil': ceil}
        r.case('avg_pool', lambda x: mean(x, size, stride, pad, ceil, True), r.real(*shape), p={**p, 'border': 0, 'divisor': 0})
        r.case('avg_pool', lambda x: mean(x, size, stride, pad, ceil, False), r.real(*shape), p={**p, 'border': 1, 'divisor': 0})
        if d > 1:
            r.case('avg_pool', lambda x: mean(x, size, stride, pad, ceil, True, 5), r.real(*shape), p={**p, 'border': 0, 'divisor': 5})
        if pad == 0:
            power = [2.0, 3.0, 1.0][k % 3]
            lp = [F.lp_pool1d, F.lp_pool2d, F.lp_pool3d][d - 1]
            r.case('lp_pool', lambda x: lp(x, power, size, stride, ceil), r.real(*shape, lo=0.1, hi=2), p={**p, 'power': power})
        full = [F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d][d - 1]
        for to in ([1] * d, [3] * d, [shape[-1]] * d, [2, 5, 3][:d]):
            r.case('adaptive_avg_pool', lambda x: full(x, to), r.real(*shape), p={'size': to})


def normalisation(r):
    for k, shape in enumerate([(4, 3), (2, 3, 4), (3, 2, 2, 3), (1, 2, 5), (6, 1), (2, 2, 2, 2, 2), (5, 4, 1, 2), (8, 6)] * 2):
        c, eps, act = shape[1], [1e-5, 1e-3, 0.1][k % 3], [0, 1, 0, 2][k % 4]

        def norm(x, g, b):
            axes = [0, *range(2, x.dim())]
            return ACTS[act](F.batch_norm(x, None, None, g, b, True, 0, eps)), x.mean(axes), x.var(axes, correction=0)
        r.case('batch_norm', norm, r.real(*shape), r.real(c), r.real(c), p={'eps': eps, 'act': act})
        broad = lambda v, x: v.reshape(1, -1, *[1] * (x.dim() - 2))
        r.case('channel_affine', lambda x, a, b: ACTS[act](x * broad(a, x) + broad(b, x)), r.real(*shape), r.real(c), r.real(c), p={'act': act})
    for k, shape in enumerate([(3, 4), (2, 3, 5), (1, 8), (6,), (4, 1), (2, 2, 3, 6), (3, 33), (0, 4)]):
        for parts in range(3):
            eps = [1e-5, 1e-6, 0.1][(k + parts) % 3]
            extra = [r.real(shape[-1]) for _ in range(parts)]
            r.case('layer_norm', lambda x, g=None, b=None: F.layer_norm(x, shape[-1:], g, b, eps), r.real(*shape), *extra, p={'eps': eps})


def attend(q, k, v, add, mask, p):
    l, s = q.shape[2], k.shape[2]
    scale = p['scale'] or q.shape[3] ** -0.5
    seen, key, place = torch.ones(l, s, dtype=torch.bool), torch.arange(s)[None], torch.arange(l)[:, None] + s - l + p['shift']
    if p['causal']:
        seen &= key <= place
    if p['window']:
        seen &= (key - place).abs() < p['window']
    seen |= key < p['prefix']
    if mask is not None:
        seen = seen & (mask != 0)
    seen = seen.expand(q.shape[0], q.shape[1], l, s)
    some = seen.any(-1, keepdim=True)
    bias = (0 if add is None else add) + torch.zeros(()).masked_fill(~(seen | ~some), -torch.inf)
    k = k.repeat_interleave(q.shape[1] // k.shape[1], 1)
    score = scale * q @ k.mT
    score = p['softcap'] * torch.tanh(score / p['softcap']) if p['softcap'] else score
    if v is None:
        return torch.softmax(score + bias, -1) * some
    v = v.repeat_interleave(q.shape[1] // v.shape[1], 1)
    y = torch.softmax(score + bias, -1) @ v if p['softcap'] else F.scaled_dot_product_attention(q, k, v, bias, scale=scale)
    y = y * some
    return y.transpose(1, 2).flatten(2) if p['merge'] else y


def attention(r):
    plain = {'scale': 0.0, 'softcap': 0.0, 'window': 0, 'prefix': 0, 'shift': 0, 'causal': False, 'merge': False}
    options = [{}, {'causal': True}, {'scale': 0.5}, {'merge': True}, {'window': 2}, {'window': 2, 'causal': True}, {'window': 2, 'prefix': 1}, {'softcap': 1.5}, {'causal': True, 'shift': 1, 'merge': True},
               {'softcap': 2.0, 'causal': True, 'scale': 1.5}]
    for k, ((n, h, g, l, s, d, e), option) in enumerate([(a, o) for a in [(1, 2, 2, 3, 3, 4, 4), (2, 2, 1, 2, 5, 3, 2), (1, 4, 2, 4, 4, 2, 3), (2, 1, 1, 1, 7, 5, 5)] for o in options]):
        p = {**plain, **option}
        bias = [None, (l, s), (h, l, s), (n, 1, 1, s)][k % 4]
        bias = None if bias is None else r.real(*bias)
        mask = None if k % 3 != 1 else torch.cat([torch.ones(n, 1, 1, 1, dtype=torch.int64), r.whole(n, 1, 1, s - 1, below=2)], -1)
        extra = [bias, mask] if mask is not None else [bias] if bias is not None else []
        r.case('attention', lambda q, k, v, b=None, m=None: attend(q, k, v, b, m, p), r.real(n, h, l, d), r.real(n, g, s, d), r.real(n, g, s, e), *extra, p=p)
        if k % 3 == 1 and not p['merge']:
            r.case('attention_map', lambda q, k, b=None, m=None: attend(q, k, None, b, m, p), r.real(n, h, l, d), r.real(n, g, s, d), *extra, p=p)
    for n, h, l, d, pairs in ((1, 1, 2, 4, 2), (2, 2, 3, 4, 2), (1, 2, 4, 6, 2), (2, 1, 1, 2, 1), (1, 3, 2, 8, 4), (1, 1, 5, 7, 3)):
        for inter in (False, True):
            def turn(x, c, s):
                z, rest = x[..., :2 * pairs], x[..., 2 * pairs:]
                if inter:
                    z = torch.view_as_real(torch.view_as_complex(z.unflatten(-1, (-1, 2)).contiguous()) * torch.complex(c, s)).flatten(-2)
                else:
                    a, b = z.chunk(2, -1)
                    z = torch.cat([a * c - b * s, a * s + b * c], -1)
                return torch.cat([z, rest], -1)
            r.case('rotary', turn, r.real(n, h, l, d), r.real(l, pairs, lo=-1, hi=1), r.real(l, pairs, lo=-1, hi=1), p={'interleaved': inter})


def resizing(r):
    names = {'nearest': (0, 0, 0), 'nearest-exact': (0, 0, 1), 'linear': (1, 0, 0), 'bilinear': (1, 0, 0), 'trilinear': (1, 0, 0), 'bicubic': (2, 0, 0), 'area': (3, 0, 0)}
    for shape, sizes in (((1, 2, 5), [(3,), (9,), (5,), (1,)]), ((1, 2, 4, 5), [(2, 3), (7, 8), (4, 9), (1, 1), (6, 2)]), ((1, 1, 3, 3, 4), [(2, 2, 3), (4, 5, 6)])):
        d = len(shape) - 2
        for size in sizes:
            for mode in ['nearest', 'nearest-exact', 'area', ['linear', 'bilinear', 'trilinear'][d - 1]] + (['bicubic'] if d == 2 else []):
                kind, _, rounding = names[mode]
                for corners in (False, True) if kind in (1, 2) else (None,):
                    p = {'size': size, 'mode': kind, 'coords': 2 if corners else 0, 'nearest': rounding, 'antialias': False}
                    r.case('resize', lambda x: F.interpolate(x, size, mode=mode, align_corners=corners), r.real(*shape), p=p)
                    if d == 2 and rounding == 0 and kind != 3:
                        r.case('resize2d', lambda x: F.interpolate(x, size, mode=mode, align_corners=corners), r.real(*shape), p={'size': size, 'mode': kind, 'corners': bool(corners)})
                if d == 2 and kind in (1, 2):
                    p = {'size': size, 'mode': kind, 'coords': 0, 'nearest': 0, 'antialias': True}
                    r.case('resize', lambda x: F.interpolate(x, size, mode=mode, align_corners=False, antialias=True), r.real(*shape), p=p)
    for shape, scale in (((1, 2, 6), [1.5]), ((1, 1, 5, 4), [2.3, 0.6]), ((1, 1, 7, 7), [0.45, 1.7])):
        for mode in ['nearest', 'nearest-exact', 'linear' if len(scale) == 1 else 'bilinear'] + (['bicubic'] if len(scale) == 2 else []):
            kind, _, rounding = names[mode]
            r.case('resize', lambda x: F.interpolate(x, scale_factor=scale, mode=mode, recompute_scale_factor=False), r.real(*shape), p={'scale': scale, 'mode': kind, 'coords': 0, 'nearest': rounding, 'antialias': False})
    for shape, kh, kw, sh, sw in (((1, 1, 4, 4), 3, 3, 0.8, 0.8), ((1, 2, 5, 6), 5, 3, 1.5, 0.5), ((2, 1, 4, 7), 1, 5, 1.0, 1.2), ((1, 1, 6, 6), 7, 7, 2.0, 2.0), ((1, 3, 3, 3), 3, 1, 0.4, 1.0), ((1, 1, 9, 5), 5, 5, 0.7, 1.7)):
        def blur(x):
            def weights(n, sigma):
                w = torch.exp(-0.5 * ((torch.arange(n) - (n - 1) / 2) / sigma) ** 2)
                return w / w.sum()
            w = torch.outer(weights(kh, sh), weights(kw, sw)).expand(x.shape[1], 1, kh, kw)
            return F.conv2d(F.pad(x, (kw // 2, kw // 2, kh // 2, kh // 2), mode='reflect'), w, groups=x.shape[1])
        r.case('gaussian_blur', blur, r.real(*shape), p={'size': [kh, kw], 'sigma': [sh, sw]})


def record(r):
    products(r)
    convolutions(r)
    pooling(r)
    normalisation(r)
    attention(r)
    resizing(r)
