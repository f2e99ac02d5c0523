# SPDX-License-Identifier: Apache-2.0
"""Cuts what tests/encode_test.c compares with out of the project's reference values.

usage: make.py REFERENCE-FOLDER   (holds text-minilm-l6.h5, image-efficientnet-lite0.h5 and the pictures)

The values are those of the published weights run by the original code in float64: all-MiniLM-L6-v2 (Apache-2.0; mean over tokens of
the last hidden state, L2 normalised, texts cut at 256 tokens) and EfficientNet-lite0 (Apache-2.0; shorter side 256 by Pillow's bicubic,
centre crop 224, (x/255 - 0.498) / 0.502). Pictures: chelsea.png (CC0, S. van der Walt), rocket.jpg (SpaceX, CC0).
"""
import json
import os
import shutil
import sys

import h5py

source, here = sys.argv[1], os.path.dirname(os.path.abspath(__file__))
with h5py.File(os.path.join(here, "expected.h5"), "w", track_order=False) as out:
    with h5py.File(os.path.join(source, "text-minilm-l6.h5")) as f:
        data, offsets = f["text_bytes"][:].tobytes(), f["text_offsets"][:]
        out["minilm-l6/embedding"] = f["embedding"][:]
    with open(os.path.join(here, "texts.jsonl"), "w") as lines:
        for i in range(len(offsets) - 1):
            lines.write(json.dumps({"key": "text-%02d" % i, "text": data[offsets[i]:offsets[i + 1]].decode()}) + "\n")
    with h5py.File(os.path.join(source, "image-efficientnet-lite0.h5")) as f:
        for name in ("chelsea", "rocket"):
            for tap in ("pooled", "logits"):
                out["efficientnet-lite0/%s/%s" % (name, tap)] = f[name][tap][:]
for picture in ("chelsea.png", "rocket.jpg"):
    shutil.copy(os.path.join(source, picture), os.path.join(here, picture))
    os.chmod(os.path.join(here, picture), 0o644)
