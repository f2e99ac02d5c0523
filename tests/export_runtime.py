#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exported graphs in ONNX Runtime, where it can be installed (pip install onnxruntime onnx safetensors). Not part of the test suite:
  LB_EXPORT_OUT=/tmp/graphs build/tests/test-export && python3 tests/export_runtime.py /tmp/graphs
Each graph passes onnx's full check, and its outputs are within 1e-4 of the largest of what Limbeck computed, for the batch of the test and for each item alone."""
import glob, os, sys
import numpy as np
import onnx, onnxruntime
from safetensors.numpy import load_file

worst = failed = 0
for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.onnx"))):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    data = load_file(path[:-5] + ".safetensors")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {k[3:]: v for k, v in data.items() if k.startswith("in.")}
    outputs = [o.name for o in session.get_outputs()]
    whole = dict(zip(outputs, session.run(outputs, feed)))
    alone = [session.run(outputs, {k: v[i:i + 1] for k, v in feed.items()}) for i in range(len(next(iter(feed.values()))))]
    for k, name in enumerate(outputs):
        want = data["out." + name]
        rows = np.concatenate([a[k] for a in alone]) if want.ndim and want.shape[0] == len(alone) else whole[name]
        if rows.shape != want.shape: rows = whole[name]  # every picture beside every text
        off = max(np.abs(whole[name] - want).max(), np.abs(rows - want).max()) / np.abs(want).max()
        worst, failed = max(worst, off), failed + (off > 1e-4)
        print(f"{os.path.basename(path):28s} {name:16s} {off:.2e}")
print(f"largest difference {worst:.2e}, {failed} above 1e-4")
sys.exit(int(failed > 0))
