#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records log-mels of a made signal (signal.s16, 16 kHz). Run with transformers 5.24, torch, NumPy; without torchaudio:  python3 make.py
expected.txt: name frames-kept bands offset; f32 [frames, bands] in expected.bin
whisper-*: the definition of openai/whisper (audio.py) in float64, with the filter bank of transformers; 30 s with zeros behind, first frames
ast: transformers' ASTFeatureExtractor (its NumPy port of the Kaldi fbank, in float64 to the end), first frames and the first one of the padding
yamnet, vggish: the published formula (tensorflow/models, research/audioset/vggish/mel_features.py) in float64"""
import os
import numpy as np
import torch
from transformers import ASTFeatureExtractor
from transformers.audio_utils import mel_filter_bank

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(3)
t = np.arange(19000) / 16000
x = 0.3 * np.sin(2 * np.pi * (150 + 1500 * t) * t) * (1 + np.sin(9 * t)) + 0.2 * np.sin(2 * np.pi * 2900 * t) + rng.normal(0, 0.01, t.size)
x[9000:10000] = 0
s16 = np.clip(np.round(x * 20000), -32768, 32767).astype("<i2")
s16.tofile(os.path.join(here, "signal.s16"))
x = s16 / 32768.0
lines, values = [], b""


def put(name, a):
    global values
    lines.append(f"{name} {a.shape[0]} {a.shape[1]} {len(values)}")
    values += np.ascontiguousarray(a, "<f4").tobytes()


for bands in (80, 128):
    long = torch.from_numpy(np.concatenate([x, np.zeros(480000 - x.size)]))
    spectrum = torch.stft(long, 400, 160, window=torch.hann_window(400, dtype=torch.float64), return_complex=True)[..., :-1].abs() ** 2
    bank = torch.from_numpy(mel_filter_bank(201, bands, 0, 8000, 16000, norm="slaney", mel_scale="slaney"))
    y = torch.clamp(bank.T @ spectrum, min=1e-10).log10()
    y = (torch.maximum(y, y.max() - 8) + 4) / 4
    put(f"whisper-{bands}", y[:, :130].T.numpy())

put("ast", ASTFeatureExtractor()(x.astype(np.float32), sampling_rate=16000, return_tensors="np")["input_values"][0][:119])


def audioset(offset):
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([x[i:i + 400] * window for i in range(0, x.size - 399, 160)])
    spectrum = np.abs(np.fft.rfft(frames, 512))
    mel = lambda f: 1127.0 * np.log(1.0 + f / 700.0)
    edges, bins = np.linspace(mel(125.0), mel(7500.0), 66), mel(np.linspace(0, 8000, 257))
    bank = np.zeros((257, 64))
    for b in range(64):
        low, middle, high = edges[b:b + 3]
        bank[:, b] = np.maximum(0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    bank[0] = 0
    return np.log(spectrum @ bank + offset)


put("yamnet", audioset(0.001))
put("vggish", audioset(0.01))
open(os.path.join(here, "expected.txt"), "w").write("\n".join(lines) + "\n")
open(os.path.join(here, "expected.bin"), "wb").write(values)
