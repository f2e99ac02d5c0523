#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""students.py: small students of text, sound, video and fused features as PyTorch computes them, in float64 -> students.h5, in the form that
make.py tells. Made with torch 2.15.0."""
import os

import h5py
import torch
import torch.nn as nn
import torch.nn.functional as F

import make
from make import Picture, draw, record, unit


class Heads(nn.Module):
    """projection and head, as every student here ends."""

    def __init__(self, width, embed, classes, name="head"):
        super().__init__()
        self.projection = nn.Linear(width, embed, bias=False)
        setattr(self, name, nn.Linear(width, classes))
        self.name = name

    def ends(self, x, out):
        out["pooled"], out["embedding"], out["logits"] = x, unit(self.projection(x)), getattr(self, self.name)(x)


class Bag(Heads):
    params, arch = dict(vocab=30, width=6, layers=2, embed=5, classes=3), "bag-of-embeddings"

    def __init__(self):
        super().__init__(6, 5, 3)
        self.token_embedding, self.layers = nn.Embedding(30, 6), nn.ModuleList(nn.Linear(6, 6) for _ in range(2))

    def run(self, out, ids, mask):
        x = out["tokens"] = self.token_embedding(ids)
        m = mask[:, :, None].double()
        x = (x * m).sum(1) / m.sum(1)
        for layer in self.layers:
            x = F.gelu(layer(x))
        self.ends(x, out)


class SoundBlock(nn.Module):
    def __init__(self, c, out):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)

    def forward(self, x):
        return F.avg_pool2d(F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))), 2)


class Sound(Heads):
    params, arch = dict(bands=13, frames=20, width=4, blocks=2, embed=5, classes=3), "audio-conv"

    def __init__(self):
        super().__init__(8, 5, 3)
        self.blocks, self.fc = nn.ModuleList((SoundBlock(1, 4), SoundBlock(4, 8))), nn.Linear(8, 8)

    def run(self, out, audio):
        x = audio[:, None]
        for i, b in enumerate(self.blocks):
            x = out[f"block.{i}"] = b(x)
        out["features"] = x
        x = x.mean(3)
        self.ends(F.relu(self.fc(x.amax(2) + x.mean(2))), out)


class Video(Heads):
    sizes = dict(size=16, frame_width=8, expand=1, head=12, frames=4, embed=5, classes=3)

    def __init__(self):
        super().__init__(12, 5, 3, "classifier")
        self.frame = Picture(8, 1, 12)

    def frames(self, out, video):
        x = self.frame(video.flatten(0, 1), {})
        x = out["frames"] = x.reshape(*video.shape[:2], -1)
        return x


class Pool(Video):
    params, arch = Video.sizes, "video-pool"

    def run(self, out, video):
        self.ends(self.frames(out, video).mean(1), out)


class Moving(Video):
    params, arch = dict(Video.sizes, depth=2, heads=3, mlp=10), "video-transformer"

    def __init__(self):
        super().__init__()
        self.time_embedding, self.norm = nn.Parameter(torch.zeros(4, 12)), nn.LayerNorm(12)
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(12, 3, 10, 0.0, "gelu", 1e-5, True, True) for _ in range(2))

    def run(self, out, video):
        frames = self.frames(out, video)
        x = frames + self.time_embedding[: frames.shape[1]]
        for i, b in enumerate(self.blocks):
            x = out[f"block.{i}"] = b(x)
        x = out["tokens"] = self.norm(x) + frames
        self.ends(x.mean(1), out)


class Mapped(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.fc = nn.LayerNorm(width), nn.Linear(width, 8)

    def forward(self, x):
        return F.gelu(self.fc(self.norm(x)))


class Fused(Heads):
    arch = "fused-head"

    def __init__(self):
        super().__init__(8, 5, 3)
        self.params = dict(image_width=7, text_width=6, audio_width=5, width=8, embed=5, classes=3, block=self.block)
        self.image, self.text, self.audio = Mapped(7), Mapped(6), Mapped(5)
        self.fusion = nn.Module()
        self.parts(self.fusion)

    def run(self, out, image_features, text_features, audio_features):
        self.ends(self.join(self.fusion, [self.image(image_features), self.text(text_features), self.audio(audio_features)]), out)


class Mean(Fused):
    block = "mean"

    def parts(self, f): pass

    def join(self, f, x): return sum(x) / 3


class Concat(Fused):
    block = "concat"

    def parts(self, f): f.fc1, f.fc2 = nn.Linear(24, 16), nn.Linear(16, 8)

    def join(self, f, x): return f.fc2(F.gelu(f.fc1(torch.cat(x, 1))))


class Gated(Fused):
    block = "gated"

    def parts(self, f): f.hidden, f.gate = (nn.ModuleList(nn.Linear(w, 8, bias=False) for _ in range(3)) for w in (8, 24))

    def join(self, f, x): return sum(torch.sigmoid(g(torch.cat(x, 1))) * torch.tanh(h(y)) for g, h, y in zip(f.gate, f.hidden, x))


class LowRank(Fused):
    """As the paper has it: the outer product's factors with the 1 behind each vector."""
    block = "low-rank"

    def parts(self, f):
        f.factor = nn.ModuleList(nn.Linear(8, 32) for _ in range(3))
        f.rank_weight, f.bias = nn.Parameter(torch.zeros(4, 1)), nn.Parameter(torch.zeros(8))

    def join(self, f, x):
        one = torch.ones(len(x[0]), 1)
        product = 1
        for factor, y in zip(f.factor, x):
            w = torch.cat([factor.weight, factor.bias[:, None]], 1).reshape(4, 8, 9)
            product = product * torch.einsum("nk,rwk->nrw", torch.cat([y, one], 1), w)
        return (product * f.rank_weight).sum(1) + f.bias


class Film(Fused):
    block = "film"

    def parts(self, f): f.gamma, f.beta = nn.Linear(16, 8), nn.Linear(16, 8)

    def join(self, f, x):
        others = torch.cat(x[1:], 1)
        return (1 + f.gamma(others)) * x[0] + f.beta(others)


class Attention(Fused):
    block = "attention"

    def parts(self, f):
        f.modality, f.norm = nn.Parameter(torch.zeros(3, 8)), nn.LayerNorm(8)
        f.blocks = nn.ModuleList([nn.TransformerEncoderLayer(8, 4, 16, 0.0, "gelu", 1e-5, True, True)])

    def join(self, f, x):
        y = torch.stack(x, 1) + f.modality
        for b in f.blocks:
            y = b(y)
        return f.norm(y).mean(1)


ids = torch.tensor([[3, 7, 7, 29, 0], [1, 2, 0, 0, 0], [5, 5, 6, 0, 0]])
mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]])
with h5py.File(os.path.join(make.here, "students.h5"), "w", libver="latest") as f:
    f.attrs["note"] = __doc__
    record(f, "bag-of-embeddings", Bag(), True, ids=ids, mask=mask)
    record(f, "audio-conv", Sound(), True, audio=draw(3, 20, 13))
    record(f, "video-pool", Pool(), True, video=draw(2, 3, 3, 16, 16))
    record(f, "video-transformer", Moving(), True, video=draw(2, 3, 3, 16, 16))
    for case in (Mean, Concat, Gated, LowRank, Film, Attention):
        record(f, "fused-" + case.block, case(), True, image_features=draw(3, 7), text_features=draw(3, 6), audio_features=draw(3, 5))
