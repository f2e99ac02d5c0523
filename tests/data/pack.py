#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""pack.py FILE.h5... (by Debian's Python: a newer HDF5 writes what older ones cannot read): the same groups, numbers and attributes in less room: newest layout, arrays shuffled and deflated where
that pays. tests/data stays below 20 MB in all (`layers` looks); what a make.py writes goes through here."""
import os
import sys

import h5py
import numpy as np

SMALL = 300  # bytes; a deflated array wants an index of its own


def put(to, name, old):
    values = old[()]
    if old.shape and values.nbytes > SMALL and old.dtype.kind in "fiu":
        return to.create_dataset(name, data=values, dtype=old.dtype, chunks=old.shape, shuffle=True, compression="gzip", compression_opts=9)
    return to.create_dataset(name, data=values, dtype=old.dtype)


def copy(to, old):
    for key, value in old.attrs.items():
        to.attrs.create(key, value, dtype=old.attrs.get_id(key).dtype)
    for name in old if isinstance(old, h5py.Group) else ():
        child = old[name]
        copy(to.create_group(name) if isinstance(child, h5py.Group) else put(to, name, child), child)


def same(a, b):
    if dict(a.attrs).keys() != dict(b.attrs).keys() or any(not np.array_equal(a.attrs[k], b.attrs[k]) for k in a.attrs):
        return False
    if isinstance(a, h5py.Group):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    x, y = a[()], b[()]
    return a.dtype == b.dtype and a.shape == b.shape and (x.tobytes() == y.tobytes() if isinstance(x, (np.ndarray, np.generic)) and a.dtype.kind != "O" else np.array_equal(x, y))


for path in sys.argv[1:]:
    part = path + ".part"
    with h5py.File(path) as old, h5py.File(part, "w", libver="latest") as new:
        copy(new, old)
    with h5py.File(path) as old, h5py.File(part) as new:
        if not same(old, new):
            sys.exit(f"{path}: not the same when packed")
    before, after = os.path.getsize(path), os.path.getsize(part)
    if after < before:
        os.replace(part, path)
        print(path, before, "->", after)
    else:
        os.remove(part)
