# SPDX-License-Identifier: Apache-2.0
"""Maxima of windows, patches, norms over channels, reading between elements, boxes."""
import torch
import torch.nn.functional as F
from torchvision.ops import roi_align, roi_pool

WINDOWS = [((1, 2, 9), 3, 1, 0, 1, False), ((2, 1, 8), 2, 2, 1, 1, True), ((1, 1, 10), 3, 2, 1, 2, False), ((2, 2, 5, 6), 2, 2, 0, 1, False), ((1, 2, 6, 6), 3, 1, 1, 1, False), ((1, 1, 7, 5), 3, 2, 1, 1, False),
           ((1, 2, 7, 8), 3, 2, 1, 1, True), ((1, 1, 8, 9), 2, 2, 0, 3, False), ((1, 1, 4, 5, 4), 2, 2, 0, 1, False), ((1, 2, 4, 4, 4), 3, 1, 1, 1, False), ((1, 1, 5, 5, 5), 3, 2, 1, 1, True)]


def maxima(r):
    for shape, size, stride, pad, dilation, ceil in WINDOWS:
        d = len(shape) - 2
        pool = [F.max_pool1d, F.max_pool2d, F.max_pool3d][d - 1]
        p = {'size': [size] * d, 'stride': [stride] * d, 'pad': [pad] * d, 'dilation': [dilation] * d, 'ceil': ceil}
        for x in (r.distinct(*shape), r.tied(*shape)):
            r.case('max_pool', lambda x: pool(x, size, stride, pad, dilation, ceil), x, p=p)
            r.case('argmax_pool', lambda x: pool(x, size, stride, pad, dilation, ceil, True)[1], x, p=p, fixed=True)
        full = [F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d][d - 1]
        for to in ([1] * d, [3] * d, [2, 5, 3][:d]):
            x = r.distinct(*shape)
            r.case('adaptive_max_pool', lambda x: full(x, to), x, p={'size': to})
            r.case('adaptive_argmax_pool', lambda x: full(x, to, True)[1], x, p={'size': to}, fixed=True)
        if stride == size and not pad and not ceil and dilation == 1:
            y, at = pool(x, size, return_indices=True)
            back = [F.max_unpool1d, F.max_unpool2d, F.max_unpool3d][d - 1]
            for _ in range(3):
                r.case('max_unpool', lambda y, i: back(y, i, size, output_size=shape), r.real(*y.shape), at, p={'size': list(shape[2:])})


def patches(r):
    for n, c, h, w, kh, kw, stride, pad, dilation in ((1, 1, 4, 4, 2, 2, 1, 0, 1), (1, 2, 5, 4, 3, 2, 1, 1, 1), (2, 1, 6, 6, 2, 2, 2, 0, 1), (1, 2, 6, 7, 3, 3, 2, 1, 1), (1, 1, 7, 7, 2, 3, 1, 2, 2), (1, 3, 3, 3, 1, 1, 1, 0, 1), (1, 1, 5, 5, 5, 5, 1, 0, 1)):
        p = {'size': [kh, kw], 'stride': [stride] * 2, 'pad': [pad] * 2, 'dilation': [dilation] * 2, 'ceil': False}
        x = r.real(n, c, h, w)
        r.case('unfold', lambda x: F.unfold(x, (kh, kw), dilation, pad, stride), x, p=p)
        r.case('fold', lambda x: F.fold(x, (h, w), (kh, kw), dilation, pad, stride), r.real(*F.unfold(x, (kh, kw), dilation, pad, stride).shape), p={**p, 'to': [h, w]})
    for n, c, h, w, b in ((1, 1, 2, 3, 2), (2, 2, 1, 2, 2), (1, 1, 2, 2, 3), (1, 3, 2, 1, 2), (1, 2, 3, 2, 1), (2, 1, 1, 1, 4)):
        r.case('depth_to_space', lambda x: F.pixel_shuffle(x, b), r.real(n, c * b * b, h, w), p={'block': b, 'order': 0})
        r.case('space_to_depth', lambda x: F.pixel_unshuffle(x, b), r.real(n, c, h * b, w * b), p={'block': b, 'order': 0})


def norms(r):
    # Of one or two numbers a norm is hardly more than a sign: its gradient cancels to what a float does not hold.
    for k, (shape, groups) in enumerate([((2, 4), 2), ((2, 4, 3), 2), ((1, 6, 2, 3), 3), ((3, 2, 2, 2), 1), ((2, 3, 4, 1), 3), ((1, 8, 5), 4), ((1, 4, 2, 2, 2), 2)]):
        for parts in range(3):
            c, eps = shape[1], [1e-5, 1e-6, 0.1][(k + parts) % 3]
            extra = [r.real(c) for _ in range(parts)]
            r.case('group_norm', lambda x, g=None, b=None: F.group_norm(x, groups, g, b, eps), r.real(*shape), *extra, p={'groups': groups, 'eps': eps})
            r.case('channel_norm', lambda x, g=None, b=None: F.layer_norm(x.movedim(1, -1), (c,), g, b, eps).movedim(-1, 1), r.real(*shape), *extra, p={'eps': eps}, wide=c <= 2 and eps < 0.1)
            if parts and len(shape) > 2 and shape[2:].count(1) < len(shape) - 2:
                full = (extra + [r.real(c)])[:2]
                r.case('instance_norm', lambda x, g, b: F.instance_norm(x, weight=g, bias=b, eps=eps), r.real(*shape), *full, p={'eps': eps})
            if parts < 2:
                row = [r.real(shape[-1]) for _ in range(parts)]
                r.case('rms_norm', lambda x, g=None: F.rms_norm(x, shape[-1:], g, eps), r.real(*shape), *row, p={'eps': eps}, wide=shape[-1] <= 2 and eps < 0.1)
        for size, alpha, beta, more in ((3, 1e-4, 0.75, 1.0), (2, 0.5, 0.5, 2.0), (5, 1.0, 0.75, 1.0)):
            if len(shape) > 2:
                r.case('local_response_norm', lambda x: F.local_response_norm(x, size, alpha, beta, more), r.real(*shape), p={'size': size, 'alpha': alpha, 'beta': beta, 'k': more})


def sampling(r):
    for shape, places in (((1, 2, 4, 5), (3, 3)), ((2, 1, 3, 3), (2, 4)), ((1, 1, 6, 2), (1, 5)), ((1, 2, 3, 4, 3), (2, 2, 2))):
        d = len(shape) - 2
        for corners in (False, True):
            for border, outside in enumerate(('zeros', 'border', 'reflection')):
                for mode, name in enumerate(('bilinear', 'nearest', 'bicubic')):
                    if mode < 2 or d == 2:
                        grid = r.real(shape[0], *places, d, lo=-1.4, hi=1.4)
                        r.case('grid_sample', lambda x, g: F.grid_sample(x, g, name, outside, corners), r.real(*shape), grid, p={'mode': mode, 'border': border, 'corners': corners})
            for size in ([2, 1, *shape[2:]], [1, 1, *[2] * d]):
                theta = r.real(size[0], d, d + 1)
                r.case('affine_grid', lambda t: F.affine_grid(t, size, corners), theta, p={'size': size[2:], 'corners': corners})


def boxes(r):
    for c, h, w, to in ((1, 6, 7, (2, 2)), (2, 5, 5, (3, 2)), (1, 8, 4, (1, 1))):
        for scale in (1.0, 0.5):
            box = torch.tensor([[0, 0.3, 0.4, 3.7, 4.1], [1, 1.2, 0.7, 4.6, 3.3], [0, 2.1, 2.2, 5.9, 7.4]]).float().double()
            box[:, 1:] /= scale
            for samples, aligned in ((2, True), (2, False), (0, True), (0, False)):
                r.case('roi_align', lambda x, b: roi_align(x, b, to, scale, samples or -1, aligned), r.real(2, c, h, w), box.float().double(), p={'to': to, 'scale': scale, 'samples': samples, 'aligned': aligned}, fixed=(1,))
            r.case('roi_pool', lambda x, b: roi_pool(x, b, to, scale), r.distinct(2, c, h, w), box.float().double(), p={'to': to, 'scale': scale}, fixed=(1,))


def record(r):
    maxima(r)
    patches(r)
    norms(r)
    sampling(r)
    boxes(r)
