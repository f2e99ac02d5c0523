#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what the image processors of transformers 4.46.3 (with Pillow 13.0.0, NumPy) make of small pictures, and torchvision's
arithmetic (functional.py: resize to int(size * long / short), crop at int(round((H - h) / 2.0)), padding first (h - H) // 2) on Pillow.
Run with those packages:  python3 make.py
pictures.bin: u8 [h,w,3] one after the other, sizes as in SIZES; NAME.json: the configuration; NAME.bin: f32 [3,H,W] per picture, after u16 W, H."""
import json, os, struct
import numpy as np
import transformers
from PIL import Image
from transformers import CLIPImageProcessor, ConvNextImageProcessor, SiglipImageProcessor, ViTImageProcessor

here = os.path.dirname(os.path.abspath(__file__))
SIZES = [(29, 19), (19, 29), (24, 24), (12, 47), (10, 8), (16, 16)]  # width, height
rng = np.random.default_rng(3)
CLIP = dict(image_mean=[0.48145466, 0.4578275, 0.40821073], image_std=[0.26862954, 0.26130258, 0.27577711])


def picture(w, h):
    y, x = np.mgrid[0:h, 0:w].astype(float)
    return np.clip(np.stack([127 + 100 * np.sin(x / (3 + k)) * np.cos(y / 4) + rng.normal(0, 15, (h, w)) for k in range(3)], -1), 0, 255).astype(np.uint8)


def put(name, config, run, pictures):
    with open(os.path.join(here, name + ".json"), "w") as f:
        json.dump(config, f, indent=1)
    with open(os.path.join(here, name + ".bin"), "wb") as f:
        for a in pictures:
            out = np.ascontiguousarray(run(a), "<f4")
            f.write(struct.pack("<HH", out.shape[2], out.shape[1]) + out.tobytes())


def hugging_face(name, kind, pictures, **kw):
    p = kind(**kw)
    config = {k: v for k, v in p.to_dict().items() if not k.startswith("_")}
    put(name, config, lambda a: p(Image.fromarray(a), return_tensors="np")["pixel_values"][0], pictures)


def torchvision(a, size, crop, mean, std, resample=Image.BICUBIC):
    im = Image.fromarray(a)
    w, h = im.size
    short, long = min(w, h), max(w, h)
    other = int(size * long / short)
    im = im.resize((size, other) if w <= h else (other, size), resample)
    w, h = im.size
    left, top = max(0, (crop - w) // 2), max(0, (crop - h) // 2)
    W, H = max(w, crop), max(h, crop)
    full = Image.new("RGB", (W, H))
    full.paste(im, (left, top))
    x, y = int(round((W - crop) / 2.0)), int(round((H - crop) / 2.0))
    b = np.asarray(full.crop((x, y, x + crop, y + crop)), np.float64) / 255
    return ((b - np.array(mean)) / np.array(std)).transpose(2, 0, 1)


def main():
    pictures = [picture(*s) for s in SIZES]
    with open(os.path.join(here, "pictures.bin"), "wb") as f:
        for a in pictures:
            f.write(a.tobytes())
    hugging_face("clip", CLIPImageProcessor, pictures, size={"shortest_edge": 17}, crop_size={"height": 14, "width": 14}, resample=3, **CLIP)
    hugging_face("clip-padded", CLIPImageProcessor, pictures, size={"shortest_edge": 9}, crop_size={"height": 12, "width": 15}, resample=1, **CLIP)
    hugging_face("vit", ViTImageProcessor, pictures, size={"height": 13, "width": 16}, resample=2, image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.25, 0.5])
    hugging_face("siglip", SiglipImageProcessor, pictures, size={"height": 14, "width": 14}, resample=3, do_normalize=False)
    hugging_face("convnext", ConvNextImageProcessor, pictures, size={"shortest_edge": 14}, crop_pct=0.875, resample=3)
    for name, kind, sizes in (("sam", "SamImageProcessorPil", dict(size={"longest_edge": 24}, pad_size={"height": 24, "width": 24})),
                              ("deit", "DeiTImageProcessorPil", dict(size={"height": 20, "width": 20}, crop_size={"height": 15, "width": 15})),
                              ("mobilenet", "MobileNetV2ImageProcessorPil", dict(size={"shortest_edge": 18}, crop_size={"height": 15, "width": 15})),
                              ("efficientnet", "EfficientNetImageProcessorPil", dict(size={"height": 17, "width": 13}))):
        if hasattr(transformers, kind):  # these four: transformers 5.24.0
            hugging_face(name, getattr(transformers, kind), pictures, **sizes)
    clip = {"preprocess_cfg": {"mean": CLIP["image_mean"], "std": CLIP["image_std"], "interpolation": "bicubic", "resize_mode": "shortest"}, "model_cfg": {"vision_cfg": {"image_size": 14}}}
    put("open-clip", clip, lambda a: torchvision(a, 14, 14, CLIP["image_mean"], CLIP["image_std"]), pictures)
    timm = {"pretrained_cfg": {"input_size": [3, 14, 14], "interpolation": "bilinear", "crop_pct": 0.9, "mean": [0.498, 0.498, 0.498], "std": [0.502, 0.502, 0.502]}}
    put("timm", timm, lambda a: torchvision(a, 15, 14, [0.498] * 3, [0.502] * 3, Image.BILINEAR), pictures)
    ours = {"mode": "shortest", "size_w": 9, "crop_w": 12, "crop_h": 12, "mean": [0.1, 0.2, 0.3], "std": [1, 2, 3]}
    put("ours", ours, lambda a: torchvision(a, 9, 12, [0.1, 0.2, 0.3], [1, 2, 3]), pictures)


main()
