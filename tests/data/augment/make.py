#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Augmentations with given values, as torchvision computes them (on Pillow's pictures; mixing on tensors).
Run with torchvision 0.29.2, Pillow 13.0.0 and NumPy:  python3 make.py
cases.json: name, chain, row, size after; offsets into pixels.bin of picture and mask; boxes; near = largest difference of a value where torchvision sums in another order
mix.json + mix.bin: f32 planes [2,3,H,W] before, and what is expected of item 0 mixed with item 1
magnitudes: RandAugment's own table"""
import json, os
import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision.transforms import InterpolationMode as I, autoaugment, functional as F, v2
from torchvision import tv_tensors

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(5)
H, W = 29, 37
y, x = np.mgrid[0:H, 0:W].astype(float)
a = np.stack([127 + 120 * np.sin(x / (3 + k) + k) * np.cos(y / (4 + k)) + rng.normal(0, 10, (H, W)) for k in range(3)], -1)
a[8:14, 10:20] = [255, 0, 0]
a[20:24, 3:9] = 77
img = Image.fromarray(np.clip(a, 0, 255).astype(np.uint8))
mask = Image.fromarray((np.mgrid[0:H, 0:W][0] // 5 * 3 + np.mgrid[0:H, 0:W][1] // 6).astype(np.uint8))
boxes = [[3.0, 4.0, 12.5, 20.0], [30.0, 1.0, 37.0, 9.0], [0.0, 0.0, 37.0, 29.0]]
data, cases = bytearray(), []


def keep(im):
    at = len(data)
    data.extend(np.asarray(im).tobytes())
    return at


def case(name, op, values, picture, params=None, m=None, b=None, near=0):
    c = {"name": name, "chain": [dict(op=op, **(params or {}))], "row": [dict(op=op, **values)], "width": picture.width, "height": picture.height, "image": keep(picture), "near": near}
    if m is not None: c["mask"] = keep(m)
    if b is not None: c["boxes"] = np.asarray(b, np.float64).round(4).tolist()
    cases.append(c)


def moved(f): return f(tv_tensors.BoundingBoxes(torch.tensor(boxes), format="XYXY", canvas_size=(H, W))).tolist()


start = {"width": W, "height": H, "image": keep(img), "mask": keep(mask), "boxes": boxes}
f2 = v2.functional
case("mirror", "flip", {"horizontal": 1, "vertical": 0}, F.hflip(img), m=F.hflip(mask), b=moved(f2.horizontal_flip))
case("upside-down", "flip", {"horizontal": 0, "vertical": 1}, F.vflip(img), m=F.vflip(mask), b=moved(f2.vertical_flip))
case("both", "flip", {"horizontal": 1, "vertical": 1}, F.hflip(F.vflip(img)), m=F.hflip(F.vflip(mask)))
case("none", "flip", {"horizontal": 0, "vertical": 0}, img, m=mask, b=boxes)
for name, filter, mode in (("bilinear", "bilinear", I.BILINEAR), ("bicubic", "bicubic", I.BICUBIC)):
    box = (4, 5, 17, 23)  # top left height width
    case("crop-" + name, "random_resized_crop", {"x": 5, "y": 4, "width": 23, "height": 17}, F.resized_crop(img, *box, [24, 24], mode), {"size": 24, "filter": filter}, F.resized_crop(mask, *box, [24, 24], I.NEAREST),
         moved(lambda b: f2.clamp_bounding_boxes(f2.resized_crop(b, *box, [24, 24]))))
case("crop-alone", "random_resized_crop", {"x": 30, "y": 0, "width": 7, "height": 29}, F.crop(img, 0, 30, 29, 7), m=F.crop(mask, 0, 30, 29, 7))
change = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]
for i, (v, order) in enumerate([((0.6, 1, 1, 0), (0, 1, 2, 3)), ((1.7, 1, 1, 0), (0, 1, 2, 3)), ((1, 0.4, 1, 0), (0, 1, 2, 3)), ((1, 1.6, 1, 0), (0, 1, 2, 3)), ((1, 1, 0.3, 0), (0, 1, 2, 3)), ((1, 1, 1.9, 0), (0, 1, 2, 3)),
                                ((1, 1, 1, 0.31), (0, 1, 2, 3)), ((1, 1, 1, -0.2), (0, 1, 2, 3)), ((1.2, 0.8, 1.3, 0.1), (3, 1, 0, 2)), ((0.7, 1.1, 0.6, -0.45), (2, 0, 3, 1))]):
    out = img
    for k in order:
        if v[k] != (0 if k == 3 else 1): out = change[k](out, v[k])
    case(f"jitter-{i}", "color_jitter", dict(zip("brightness contrast saturation hue first second third fourth".split(), v + order)), out, m=mask)
names = ["Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize"]
space = autoaugment.RandAugment()._augmentation_space(31, (H, W))
magnitudes = {n: [float(space[n][0][m]) if space[n][0].ndim else 0.0 for m in (0, 9, 30)] for n in names}
for k, n in enumerate(names):
    for sign in ((1, -1) if space[n][1] else (1,)):
        for m in (9, 23):
            v = sign * (float(space[n][0][m]) if space[n][0].ndim else 0.0)
            values = {f"{w}{i}": 0 for i in range(8) for w in ("op", "value")}
            values.update(op0=k, value0=v)
            out = autoaugment._apply_op(img, n, v, I.NEAREST, None)
            geometric = 1 <= k <= 5
            case(f"rand-{n}-{v:.3f}", "rand_augment", values, out, m=autoaugment._apply_op(mask, n, v, I.NEAREST, None) if geometric else mask, near=0)
            if not space[n][0].ndim: break
values = {f"{w}{i}": 0 for i in range(8) for w in ("op", "value")}
values.update(op0=5, value0=-20.0, op1=6, value1=0.5, op2=2, value2=0.2)
out = img
for n, v in (("Rotate", -20.0), ("Brightness", 0.5), ("ShearY", 0.2)): out = autoaugment._apply_op(out, n, v, I.NEAREST, None)
case("rand-three", "rand_augment", values, out)
e = torch.from_numpy(np.asarray(img).copy()).permute(2, 0, 1)
case("erase", "random_erasing", {"x": 11, "y": 2, "width": 9, "height": 20}, Image.fromarray(F.erase(e, 2, 11, 20, 9, torch.full((3, 1, 1), 120, dtype=torch.uint8)).permute(1, 2, 0).numpy()), {"value": 120}, mask)
for k, s in ((5, 0.7), (23, 1.9)): case(f"blur-{k}", "gaussian_blur", {"sigma": s}, F.gaussian_blur(img, [k, k], [s, s]), {"kernel": k}, mask, near=1)
b = torch.from_numpy(rng.normal(0, 1, (2, 3, 6, 8)).astype(np.float32))
lam = 0.3
mixed = v2.MixUp(num_classes=2).transform(tv_tensors.Image(b.clone()), {"lam": lam, "labels": torch.tensor([0, 1]), "batch_size": 2})[0]
box = (2, 1, 7, 5)
cut = v2.CutMix(num_classes=2).transform(tv_tensors.Image(b.clone()), {"box": box, "lam_adjusted": 1 - 20 / 48, "labels": torch.tensor([0, 1]), "batch_size": 2})[0]
with open(os.path.join(here, "mix.bin"), "wb") as f: f.write(b.numpy().tobytes() + mixed.numpy().tobytes() + cut.numpy().tobytes())
with open(os.path.join(here, "pixels.bin"), "wb") as f: f.write(bytes(data))
with open(os.path.join(here, "cases.json"), "w") as f:
    json.dump({"start": start, "magnitudes": magnitudes, "cases": cases, "mix": {"width": 8, "height": 6, "lam": lam, "box": box, "own": 1 - 20 / 48}, "made_with": f"torchvision {torchvision.__version__}"}, f, indent=0)
