#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what the feature extractors of transformers 5.24 make of the first samples of ../mel/signal.s16: prepare.json: case -> its preprocessor_config.json and
the number of samples; prepare.h5: case -> the input of the network. Without torchaudio:  python3 make.py"""
import json
import os

import h5py
import numpy as np
import transformers as tr

here = os.path.dirname(os.path.abspath(__file__))
signal = np.fromfile(os.path.join(here, "../mel/signal.s16"), "<i2").astype(np.float32) / 32768
cases = {}


def case(f, name, extractor, n):
    x = signal[:n]
    if isinstance(extractor, tr.WhisperFeatureExtractor):  # its NumPy way, in float64 to the logarithm
        whole = np.concatenate([x, np.zeros(extractor.n_samples, np.float32)])[:extractor.n_samples]
        y = extractor._np_extract_fbank_features(whole[None], "cpu")[0]
    else:
        y = extractor(x, sampling_rate=extractor.sampling_rate, return_tensors="np")
        y = y[extractor.model_input_names[0]][0]
    config = json.loads(extractor.to_json_string())
    cases[name] = {"config": config, "samples": n}
    f[name] = np.asarray(y, np.float32)[:1] if name == "clap-fusion" else np.asarray(y, np.float32)


with h5py.File(os.path.join(here, "prepare.h5"), "w", libver="latest") as f:
    case(f, "whisper", tr.WhisperFeatureExtractor(feature_size=20, hop_length=80, n_fft=200, chunk_length=1), 9000)
    case(f, "whisper-cut", tr.WhisperFeatureExtractor(feature_size=16, chunk_length=1), 19000)
    case(f, "ast", tr.ASTFeatureExtractor(num_mel_bins=16, max_length=40, mean=-3.0, std=2.0), 4000)
    case(f, "ast-cut", tr.ASTFeatureExtractor(num_mel_bins=16, max_length=40, do_normalize=False), 19000)
    small = dict(feature_size=16, sampling_rate=16000, fft_window_size=512, hop_length=240, max_length_s=1, frequency_min=40, frequency_max=7000)
    case(f, "clap", tr.ClapFeatureExtractor(truncation="rand_trunc", **small), 6100)
    case(f, "clap-fusion", tr.ClapFeatureExtractor(padding="pad", **small), 7000)
    case(f, "wave", tr.Wav2Vec2FeatureExtractor(), 700)
    case(f, "wave-as-it-is", tr.Wav2Vec2FeatureExtractor(do_normalize=False), 100)
with open(os.path.join(here, "prepare.json"), "w") as f:
    f.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in cases.items()) + "\n}\n")
