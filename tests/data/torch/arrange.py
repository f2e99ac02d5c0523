# SPDX-License-Identifier: Apache-2.0
"""The same elements elsewhere: views, joins, padding, constants."""
import math

import torch
import torch.nn.functional as F


def pad_all(x, before, after, mode):
    """torch pads the last three axes of a batch at most: axis by axis, each brought to the end."""
    for a in range(x.dim()):
        if before[a] or after[a]:
            moved = x.movedim(a, -1)
            flat = F.pad(moved.reshape(1, -1, moved.shape[-1]), (before[a], after[a]), mode=mode)
            x = flat.reshape(*moved.shape[:-1], -1).movedim(-1, a)
    return x


def alibi(heads, queries, keys):
    """The slopes of the paper's own code (Press et al., arXiv:2108.12409)."""
    def power_of_two(n):
        start = 2 ** -(2 ** -(math.log2(n) - 3))
        return [start * start ** i for i in range(n)]
    if math.log2(heads).is_integer():
        slopes = power_of_two(heads)
    else:
        n = 2 ** math.floor(math.log2(heads))
        slopes = power_of_two(n) + power_of_two(2 * n)[0::2][:heads - n]
    distance = (torch.arange(queries + keys - 1) - (keys - 1)).abs()
    return -torch.tensor(slopes)[:, None] * distance


def rotary_table(position, pairs, base):
    angle = position[..., None] / base ** (torch.arange(pairs) / pairs)
    return angle.cos(), angle.sin()


def sinusoid(position, width, base, halves, closed):
    angle = position[..., None] * torch.exp(torch.arange(width // 2) * (-math.log(base) / (width // 2 - closed)))
    return torch.cat([angle.sin(), angle.cos()], -1) if halves else torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)


def split_heads(x, heads, kv_heads):
    width = x.shape[-1] // (heads + 2 * kv_heads)
    parts = x.split([heads * width, kv_heads * width, kv_heads * width], -1)
    return tuple(p.unflatten(-1, (n, width)).transpose(1, 2) for p, n in zip(parts, (heads, kv_heads, kv_heads)))


def record(r):
    for shapes, axis in (([(3,), (4,)], 0), ([(2, 3), (2, 1)], 1), ([(2, 3), (4, 3)], -2), ([(2, 3, 2)] * 3, 1), ([(1, 2)] * 8, 0), ([(2, 2), (2, 0), (2, 5)], -1), ([(4, 2)], 1),
                         ([(2, 1, 2, 3), (2, 4, 2, 3)], 1)):
        r.case('concat', lambda *x: torch.cat(x, axis), *[r.real(*s) for s in shapes], p={'axis': axis})
    for shape in ((3, 3), (1, 1), (2, 4, 4), (2, 3, 2, 2), (0, 0), (5, 5)):
        r.case('diagonal', lambda x: x.diagonal(dim1=-2, dim2=-1), r.real(*shape))
    for shape, to in (((5,), (4, 5)), ((2, 1, 3), (2, 6, 3)), ((), (2, 3)), ((1, 3), (0, 3)), ((1,), (7,)), ((3, 1, 1), (2, 3, 4, 2)), ((2, 3), (2, 3))):
        r.case('expand', lambda x: x.expand(to), r.real(*shape), p={'shape': to})
    for shape, axis in (((7,), 0), ((3, 5), 1), ((3, 5), 0), ((2, 3, 4), 1), ((2, 3, 4), -1), ((0, 3), 0), ((2, 2, 3, 2), -2)):
        r.case('flip', lambda x: x.flip(axis), r.real(*shape), p={'axis': axis})
    for shape, before, after in (((4,), [1], [2]), ((3, 4), [1, 0], [2, 3]), ((3, 4), [0, 0], [0, 0]), ((2, 3, 4), [0, 2, 1], [0, 0, 1]), ((2, 2, 3, 3), [0, 0, 1, 1], [0, 0, 1, 1]),
                                 ((5,), [-1], [3]), ((4, 5), [-1, 1], [-2, -1]), ((2, 0), [1, 1], [0, 2])):
        flat = [v for b, a in zip(before[::-1], after[::-1]) for v in (b, a)]
        for value in (0.0, -1.5):
            r.case('pad', lambda x: F.pad(x, flat, value=value), r.real(*shape), p={'before': before, 'after': after, 'value': value})
    for mode, name in ((1, 'reflect'), (2, 'replicate'), (3, 'circular')):
        for shape, before, after in (((6,), [2], [3]), ((3, 5), [1, 2], [2, 0]), ((2, 3, 4), [0, 1, 2], [0, 2, 3]), ((2, 2, 4, 4), [0, 0, 1, 2], [0, 0, 3, 1]), ((5,), [4], [4]), ((4, 3), [0, 0], [2, 1]),
                                     ((7, 2), [3, 0], [0, 1])):
            r.case('pad_with', lambda x: pad_all(x, before, after, name), r.real(*shape), p={'before': before, 'after': after, 'mode': mode})
    for shape, order in (((3, 4), [1, 0]), ((2, 3, 4), [2, 0, 1]), ((2, 3, 4), [0, 2, 1]), ((2, 3, 4, 2), [3, 1, 0, 2]), ((5,), [0]), ((0, 4), [1, 0]), ((2, 1, 3, 2, 2), [4, 2, 0, 3, 1])):
        r.case('permute', lambda x: x.permute(order), r.real(*shape), p={'order': order})
    for op in ('reshape', 'view'):
        for shape, to in (((6,), [2, 3]), ((2, 3, 4), [4, 6]), ((2, 3), [6]), ((2, 3, 4), [-1, 2] if op == 'reshape' else [12, 2]), ((1,), []), ((0, 4), [2, 0, 2]), ((2, 6), [2, 1, 3, 2])):
            r.case(op, lambda x: x.reshape(to), r.real(*shape), p={'shape': to})
    for shape, axis, start, stop, step in (((9,), 0, 2, 7, 1), ((9,), 0, 0, 9, 3), ((9,), 0, -4, -1, 1), ((3, 8), 1, 1, 100, 2), ((3, 8), 0, -2, 3, 1), ((2, 5, 3), 1, 4, 5, 1), ((2, 5, 3), -1, 2, 1, 1), ((4, 6), 1, 5, 6, 7)):
        at = axis % len(shape)
        r.case('slice', lambda x: x[(slice(None),) * at + (slice(start, stop, step),)], r.real(*shape), p={'axis': axis, 'start': start, 'stop': stop, 'step': step})
    for shape, a, b in (((3, 4), 0, 1), ((3, 4), -1, -2), ((2, 3, 4), 0, 2), ((2, 3, 4), 1, 1), ((2, 3, 4, 2), 1, -1), ((0, 2), 0, 1), ((1, 5), 0, 1)):
        r.case('transpose', lambda x: x.transpose(a, b), r.real(*shape), p={'a': a, 'b': b})
    for op, f in (('tril', torch.tril), ('triu', torch.triu)):
        for shape, d in (((4, 4), 0), ((3, 5), 1), ((5, 3), -1), ((2, 3, 3), 0), ((2, 2, 3, 4), 2), ((3, 3), -9), ((3, 3), 9), ((0, 3), 0)):
            r.case(op, lambda x: f(x, d), r.real(*shape), p={'diagonal': d})
    for n in (0, 1, 2, 3, 5, 8):
        r.case('eye', lambda: torch.eye(n), p={'n': n})
    for heads, queries, keys in ((8, 3, 3), (6, 2, 5), (1, 1, 1), (12, 4, 4), (4, 1, 9), (3, 5, 2), (16, 2, 2)):
        r.case('alibi', lambda: alibi(heads, queries, keys), p={'heads': heads, 'queries': queries, 'keys': keys})
    for pairs, base in ((1, 10000.0), (3, 10000.0), (4, 100.0), (8, 500000.0), (2, 10.0), (16, 10000.0)):
        r.case('rotary_table', lambda i: rotary_table(i, pairs, base), r.whole(2, 3, below=300), p={'pairs': pairs, 'base': base})
    for width, base in ((2, 10000.0), (6, 10000.0), (8, 100.0), (12, 10000.0)):
        for halves, closed in ((False, False), (True, False), (True, True)):
            if width > 2 or not closed:
                r.case('sinusoid', lambda i: sinusoid(i, width, base, halves, closed), r.whole(5, below=300), p={'width': width, 'base': base, 'halves': halves, 'closed': closed})
    for shape, heads, kv_heads in (((2, 3, 12), 2, 2), ((1, 4, 24), 4, 2), ((3, 1, 3), 1, 1), ((2, 5, 40), 8, 1), ((0, 3, 6), 1, 1), ((2, 0, 6), 1, 1), ((1, 17, 90), 3, 3)):
        r.case('split_heads', lambda x: split_heads(x, heads, kv_heads), r.real(*shape), p={'heads': heads, 'kv_heads': kv_heads})
