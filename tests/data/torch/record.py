# SPDX-License-Identifier: Apache-2.0
"""Draws inputs and records what a function of them gives, with gradients: the format that make.py describes."""
import json
import math

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


class Recorder:
    def __init__(self, seed):
        self.draw = np.random.default_rng(seed)
        self.lines, self.data = [], bytearray()

    def real(self, *shape, lo=-2.0, hi=2.0):
        """Numbers that a float holds exactly."""
        return torch.tensor(self.draw.uniform(lo, hi, shape).astype(np.float32).astype(np.float64))

    def distinct(self, *shape):
        """No two are close: for maxima and orders."""
        n = math.prod(shape)
        return torch.tensor((self.draw.permutation(n) - n / 2 + 0.25) / 16.0).reshape(shape)

    def tied(self, *shape):
        return torch.tensor(self.draw.integers(-2, 3, shape).astype(np.float64))

    def whole(self, *shape, below, start=0):
        return torch.tensor(self.draw.integers(start, below, shape))

    def put(self, array, kind):
        self.data += np.ascontiguousarray(array.detach().numpy()).astype(kind).tobytes()

    def case(self, op, function, *inputs, p=None, fixed=(), wide=False):
        """One case: function(*inputs) -> a tensor or several. fixed: places of inputs without a gradient, True = all. wide: beyond what a float holds."""
        inputs = [None if x is None else x.detach().clone() for x in inputs]
        moving = [x for i, x in enumerate(inputs) if x is not None and x.is_floating_point() and fixed is not True and i not in fixed]
        for x in moving:
            x.requires_grad_(True)
        out = function(*inputs)
        out = [y.to(torch.float64) if y.dtype == torch.bool else y for y in (out if isinstance(out, (tuple, list)) else (out,))]
        real = [y for y in out if y.is_floating_point()]
        pulled = [y for y in real if y.requires_grad]
        pull = [self.real(*y.shape, lo=-1, hi=1) for y in pulled]
        grads = torch.autograd.grad(pulled, moving, pull, allow_unused=True) if pulled else ()
        taken = {id(x): torch.zeros_like(x) if g is None else g for x, g in zip(moving, grads)}

        def letter(x, pulls):
            return 'i' if not x.is_floating_point() else 'g' if pulls else 'r'
        line = {'op': op, 'in': [None if x is None else [letter(x, id(x) in taken), *x.shape] for x in inputs],
                'out': [[letter(y, y.requires_grad), *y.shape] for y in out]}
        if p:
            line['p'] = p
        if wide:
            line['wide'] = True
        for x in inputs:
            if x is not None:
                assert not x.is_floating_point() or torch.equal(x.detach().float().double().nan_to_num(7), x.detach().nan_to_num(7)), op
                self.put(x, np.float32 if x.is_floating_point() else np.int32)
        for w in pull:
            self.put(w, np.float32)
        for y in out:
            self.put(y, np.float64 if y.is_floating_point() else np.int32)
        for x in inputs:
            if x is not None and id(x) in taken:
                self.put(taken[id(x)], np.float64)
        self.lines.append(json.dumps(line, separators=(',', ':')))

    def write(self, name):
        with open(name + '.json', 'w') as f:
            f.write('[' + ',\n'.join(self.lines) + ']\n')
        with open(name + '.bin', 'wb') as f:
            f.write(self.data)
        print(name, len(self.lines), 'cases,', len(self.data), 'bytes')
