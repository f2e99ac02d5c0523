# SPDX-License-Identifier: Apache-2.0
"""Writes a file as other programs do, which tests/cache_test.c and tests/hdf5_test.c read.  usage: others.py FILE"""
import sys

import h5py
import numpy as np

with h5py.File(sys.argv[1], "w") as f:
    f.attrs["name"] = "Grüße"
    f.attrs["fixed"] = np.bytes_("abc")
    f.attrs["yes"] = True
    f.attrs["count"] = np.int32(-7)
    f.attrs["rate"] = 0.25
    f.attrs["list"] = [1, 2, 3]
    f["keys"] = ["a", "b", "ü"]
    f.create_dataset("features/x", data=np.arange(12, dtype=np.float32).reshape(3, 4) / 8, chunks=(2, 4), compression="gzip")
    f["features/y"] = np.arange(3, dtype=">f8") + 0.5
    f["numbers/half"] = np.array([1.5, -2.25, 65504], np.float16)
    f["numbers/big"] = np.array([[1, -2], [3, 1 << 30]], ">i4")
    f["numbers/flags"] = np.array([True, False, True])
    f["numbers/bytes"] = np.array([0, 255], np.uint8)
    f["numbers/scalar"] = 2.5
    f["numbers/empty"] = np.zeros((0, 3), np.float32)
    f["texts/fixed"] = np.array([b"abc", b"de"], "S3")
    f["texts/one"] = "x"
