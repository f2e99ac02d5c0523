# SPDX-License-Identifier: Apache-2.0
"""Checks a feature file that tests/cache_test.c wrote, with h5py and NumPy only.  usage: made.py FILE N"""
import sys

import h5py
import numpy as np

path, n = sys.argv[1], int(sys.argv[2])


def value(i, count, tap):
    k = np.arange(count, dtype=np.int64)
    return (((i * 31 + k * 7 + tap * 13) % 997 - 320) / 64.0).astype(np.float32)


def bf16(x):  # round to nearest even on the upper 16 bits
    u = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((u + 0x7FFF + ((u >> 16) & 1)) >> 16).astype(np.uint16)


with h5py.File(path, "r") as f:
    assert f.attrs["format"] == "limbeck-features" and f.attrs["version"] == 2
    assert f.attrs["weights"] == "sha256:w" and f.attrs["program"] == "test 1", dict(f.attrs)
    keys = [k.decode() for k in f["keys"][:]]
    assert keys == ["bild/é-%d.png" % i for i in range(n)], keys[:3]
    status = f["status"][:]
    assert status.dtype == np.uint8
    failed = [i for i in range(n) if i % 50 == 7]
    assert [i for i in range(n) if status[i]] == failed and all(status[i] == 4 for i in failed)
    assert "0 ok" in f["status"].attrs["codes"] and "4 " in f["status"].attrs["codes"]
    message = [m.decode() for m in f["message"][:]]
    assert all(("broken %d" % i if i in failed else "") == message[i] for i in range(n))
    f32, f16, b16, i8 = (f["features/" + t] for t in ("embedding", "half", "brain", "small"))
    assert f32.dtype == np.float32 and f32.shape == (n, 4, 24), f32
    assert f16.dtype == np.float16 and f16.shape == (n, 33)
    assert b16.dtype == np.uint16 and b16.attrs["dtype"] == "bf16"
    assert i8.dtype == np.int8 and f["scale/small"].shape == (n,)
    for d in (f32, f16, b16, i8):
        assert d.chunks is not None and d.chunks[1:] == d.shape[1:] and d.compression is None
    offsets, tokens = f["offsets/tokens"][:], f["features/tokens"]
    assert offsets.dtype == np.int64 and offsets[0] == 0 and offsets[n] == tokens.shape[0] and tokens.shape[1] == 5
    for i in range(n):
        if i in failed:
            assert np.isnan(f32[i]).all() and np.isnan(f16[i]).all() and (i8[i] == 0).all() and offsets[i] == offsets[i + 1]
            assert np.isnan((b16[i].astype(np.uint32) << 16).view(np.float32)).all()
            continue
        assert (f32[i].ravel() == value(i, 96, 0)).all()
        assert (f16[i].astype(np.float32) == value(i, 33, 1)).all()
        assert (b16[i] == bf16(value(i, 17, 2))).all()
        x = value(i, 50, 3)
        scale = np.float32(np.abs(x).max() / np.float32(127))
        assert f["scale/small"][i] == scale and (i8[i] == np.rint(x / scale)).all(), (i, scale, f["scale/small"][i])
        length = i % 4
        assert offsets[i + 1] - offsets[i] == length
        assert (tokens[offsets[i]:offsets[i + 1]].ravel() == value(i, 5 * length, 4)).all()
print("ok")
