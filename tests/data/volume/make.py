#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the volumes of the suite `volume` and records what nibabel reads from them.
Run with nibabel 5.4 and NumPy:  python3 make.py
expected.txt: file index width height depth count whole orientation, 3 spacings, 12 numbers of the affine, offset; values as f32 in expected.bin"""
import os, struct
import nibabel as nib
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(5)
lines, values = [], b""


def turned(spacing, degrees, shift=(-3, 4, 5.5)):
    a, b = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    m = np.eye(4)
    m[:3, :3] = np.array([[a, -b, 0], [b, a, 0], [0, 0, 1]]) @ np.diag(spacing)
    m[:3, 3] = shift
    return m


def record(name, whole):
    global values
    img = nib.load(os.path.join(here, name))
    data = img.get_fdata(dtype=np.float64)
    data = data.reshape(data.shape + (1,) * (3 - data.ndim)) if data.ndim < 3 else data
    series = data.reshape(data.shape[:3] + (-1,), order="F")
    w, h, d, n = series.shape
    codes = "".join(c or " " for c in nib.aff2axcodes(img.affine))
    spacing = (list(img.header.get_zooms()) + [1.0])[:3]
    for k in range(n):
        lines.append(" ".join([name, str(k), str(w), str(h), str(d), str(n), str(int(whole)), codes] + ["%.9g" % s for s in spacing]
                              + ["%.9g" % x for x in img.affine[:3].ravel()] + [str(len(values))]))
        values += series[..., k].ravel(order="F").astype("<f4").tobytes()


def write(name, array, affine, slope=None, inter=None, kind=nib.Nifti1Image, big=False, qform=False):
    header = kind.header_class(endianness=">" if big else "<")
    img = kind(array, affine, header, dtype=array.dtype)
    img.header.set_data_dtype(array.dtype)
    if qform:
        img.set_sform(None, 0)
        img.set_qform(affine, 1)
    if slope is not None:
        img.header.set_slope_inter(slope, inter)
    nib.save(img, os.path.join(here, name))
    if slope is not None:  # nibabel scales to fit; the raw numbers and the factors are what is wanted here
        path = os.path.join(here, name)
        raw = bytearray(open(path, "rb").read())
        e = ">" if big else "<"
        raw[112:120] = struct.pack(e + "ff", slope, inter)
        raw[352:] = array.astype(array.dtype.newbyteorder(e)).tobytes(order="F")
        open(path, "wb").write(raw)


shape = (5, 4, 3)
write("ct.nii", rng.integers(-1000, 2000, shape).astype(np.int16), turned((0.8, 0.8, 2.5), 0), 2.0, -1024.0)
record("ct.nii", False)
write("mask.nii.gz", rng.integers(0, 4, shape).astype(np.uint8), turned((-1, -1, 2), 0))
record("mask.nii.gz", True)
write("big-endian.nii", rng.integers(0, 60000, shape).astype(np.uint16), turned((1, 1, 3), 12), big=True)
record("big-endian.nii", True)
write("second.nii.gz", rng.normal(0, 50, shape).astype(np.float32), turned((1.5, 1, 1), 80), kind=nib.Nifti2Image)
record("second.nii.gz", False)
write("series.nii", rng.normal(0, 1, (3, 2, 2, 4)), turned((2, 2, 4), 0), qform=True)
record("series.nii", False)
write("quaternion.nii", rng.integers(0, 9, shape).astype(np.int32), turned((1, 2, 3), 150), qform=True)
record("quaternion.nii", True)
write("pair.hdr", rng.integers(0, 9, shape).astype(np.int8), turned((1, 1, 1), 0), kind=nib.Nifti1Pair)
record("pair.hdr", True)
write("flat.nii", rng.integers(0, 9, (6, 5)).astype(np.uint8), turned((1, 1, 1), 0))
record("flat.nii", True)
open(os.path.join(here, "expected.txt"), "w").write("\n".join(lines) + "\n")
open(os.path.join(here, "expected.bin"), "wb").write(values)

good = open(os.path.join(here, "ct.nii"), "rb").read()
open(os.path.join(here, "bad-cut.nii"), "wb").write(good[:-7])
open(os.path.join(here, "bad-rank.nii"), "wb").write(good[:40] + struct.pack("<h", 9) + good[42:])
open(os.path.join(here, "bad-huge.nii"), "wb").write(good[:42] + struct.pack("<hhh", 32767, 32767, 32767) + good[48:])
open(os.path.join(here, "bad-type.nii"), "wb").write(good[:70] + struct.pack("<h", 32) + good[72:])
packed = open(os.path.join(here, "mask.nii.gz"), "rb").read()
open(os.path.join(here, "bad-cut.nii.gz"), "wb").write(packed[:-30])
