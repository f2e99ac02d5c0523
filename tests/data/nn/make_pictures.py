#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_pictures.py: what layers and blocks of PyTorch, torchvision and Hugging Face compute in float64 -> pictures.h5 (made with torch 2.15,
torchvision 0.29, transformers 5).

One group a case: x0, x1, ... inputs; param/NAME weights and buffers by the names of the program's state_dict; y0, y1, ... results; g0, ... what comes back
to them; gx0, ... and grad/NAME gradients; after/NAME buffers after the run, in training. Inputs and weights are float32 numbers, so they
are kept as such."""
import os
from types import SimpleNamespace

import h5py
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision.models import convnext, mobilenetv3, resnet, segmentation
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d
from torchvision.ops.misc import SqueezeExcitation
from transformers.models.upernet.modeling_upernet import UperNetHead

torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(17)


# torch's own gradients of these two hold 1/6 as a float even in double
nn.Hardsigmoid.forward = lambda self, x: (x + 3).clamp(0, 6) / 6
nn.Hardswish.forward = lambda self, x: x * (x + 3).clamp(0, 6) / 6


def draw(*shape):
    return torch.tensor(rng.standard_normal(shape).astype(np.float32).astype(np.float64))


def case(f, name, module, *shapes, prefix="", train=False, call=None):
    module.train(train)
    group = f.create_group(name)
    state = {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    with torch.no_grad():
        for k, v in state.items():
            v.copy_((draw(*v.shape).abs() + 0.5).float().double() if k.endswith("running_var") else draw(*v.shape) * (0.5 if v.ndim > 1 else 1))
    before = {k: v.clone() for k, v in state.items()}
    x = [draw(*s).requires_grad_() for s in shapes]
    y = (call or (lambda m, *a: m(*a)))(module, *x)
    y = list(y) if isinstance(y, (list, tuple)) else [y]
    g = [draw(*t.shape) for t in y]
    torch.autograd.backward(y, g)
    put = lambda where, t, dtype: group.create_dataset(where, data=t.detach().numpy().astype(dtype))
    for i, t in enumerate(x):
        put(f"x{i}", t, np.float32)
        put(f"gx{i}", t.grad, np.float64)
    for i, t in enumerate(y):
        put(f"y{i}", t, np.float64)
        put(f"g{i}", g[i], np.float32)
    parameters = dict(module.named_parameters())
    for k, v in before.items():
        put(f"param/{prefix}{k}", v, np.float32)
        if k in parameters:
            put(f"grad/{prefix}{k}", parameters[k].grad, np.float64)
        elif train:
            put(f"after/{prefix}{k}", state[k], np.float64)


class Standard(nn.Conv2d):
    """Qiao et al., arXiv:1903.10520, with eps in the root."""

    def forward(self, x):
        w = self.weight.flatten(1)
        w = (w - w.mean(1, keepdim=True)) / torch.sqrt(w.var(1, unbiased=False, keepdim=True) + 1e-6)
        return F.conv2d(x, w.view_as(self.weight), self.bias, self.stride, self.padding, self.dilation, self.groups)


class Up(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 3, 3, 1, 1, bias=False), nn.BatchNorm2d(3)

    def forward(self, x):
        return F.silu(self.norm(self.conv(F.interpolate(x, scale_factor=2, mode="bilinear"))))


def down(a, b, stride):
    return nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))


with h5py.File(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pictures.h5"), "w", libver=("v108", "v108")) as f:
    case(f, "conv1d", nn.Conv1d(4, 6, 3, 2, 1, 1, 2), (2, 4, 7), prefix="a.")
    case(f, "conv3d", nn.Conv3d(2, 3, 3, (1, 2, 1), 1, bias=False), (1, 2, 3, 4, 3), prefix="a.")
    case(f, "conv_transpose1d", nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2), (2, 4, 5), prefix="a.")
    case(f, "conv_transpose2d", nn.ConvTranspose2d(3, 2, 2, 2), (2, 3, 3, 2), prefix="a.")
    case(f, "conv_transpose3d", nn.ConvTranspose3d(2, 2, 3, 2, 1, 1, bias=False), (1, 2, 2, 3, 2), prefix="a.")
    case(f, "conv2d_standard", Standard(4, 4, 3, 1, 1, 1, 2), (2, 4, 4, 3), prefix="a.")
    case(f, "group_norm", nn.GroupNorm(2, 4), (2, 4, 3, 2), prefix="a.")
    case(f, "instance_norm", nn.InstanceNorm2d(3, affine=True), (2, 3, 3, 2), prefix="a.")
    case(f, "channel_norm", convnext.LayerNorm2d(5, eps=1e-6), (2, 5, 3, 2), prefix="a.")
    case(f, "rms_norm", nn.RMSNorm(6, eps=1e-6), (2, 3, 6), prefix="a.")
    case(f, "batch_norm_rows", nn.BatchNorm1d(4), (5, 4), prefix="a.", train=True)
    case(f, "batch_norm_volumes", nn.BatchNorm3d(2), (2, 2, 2, 2, 3), prefix="a.", train=True)
    case(f, "frozen_norm", FrozenBatchNorm2d(3), (2, 3, 3, 2), prefix="a.")
    case(f, "frozen_norm_weights", nn.BatchNorm2d(3), (2, 3, 3, 2), prefix="a.")
    case(f, "squeeze_excite", SqueezeExcitation(4, 2), (2, 4, 3, 3), prefix="a.")
    case(f, "basic_block", resnet.BasicBlock(3, 4, 2, down(3, 4, 2)), (2, 3, 5, 4), train=True)
    case(f, "basic_block_same", resnet.BasicBlock(3, 3), (2, 3, 3, 4))
    case(f, "bottleneck", resnet.Bottleneck(4, 2, 2, down(4, 8, 2), groups=2, base_width=64), (2, 4, 5, 4), train=True)
    case(f, "bottleneck_dilated", resnet.Bottleneck(4, 2, 1, down(4, 8, 1), dilation=2), (1, 4, 5, 4))
    inverted = lambda *a: mobilenetv3.InvertedResidual(mobilenetv3.InvertedResidualConfig(*a), lambda c: nn.BatchNorm2d(c, eps=0.001, momentum=0.01))
    case(f, "inverted", inverted(8, 5, 16, 8, True, "HS", 1, 1, 1), (2, 8, 4, 3), train=True)
    case(f, "inverted_plain", inverted(8, 3, 8, 16, False, "RE", 2, 1, 1), (2, 8, 4, 3))
    case(f, "convnext", convnext.CNBlock(3, 1, 0), (2, 3, 5, 4))
    case(f, "patch_embed", nn.Conv2d(3, 5, 2, 2), (2, 3, 4, 6), prefix="a.", call=lambda m, x: m(x).flatten(2).transpose(1, 2))
    case(f, "up_block", Up(), (2, 4, 3, 2), prefix="a.", train=True)
    case(f, "fcn_head", segmentation.fcn.FCNHead(8, 3), (2, 8, 4, 3))
    case(f, "feature_pyramid", FeaturePyramidNetwork([2, 3, 4], 3), (1, 2, 7, 6), (1, 3, 4, 3), (1, 4, 2, 2), call=lambda m, *x: list(m({str(i): t for i, t in enumerate(x)}).values()))
    config = SimpleNamespace(pool_scales=[1, 2, 3], hidden_size=4, num_labels=3, initializer_range=0.02)
    case(f, "upernet", UperNetHead(config, [2, 3, 4]), (2, 2, 6, 5), (2, 3, 3, 3), (2, 4, 2, 2), train=True, call=lambda m, *x: m(list(x)))
