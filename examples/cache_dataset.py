# SPDX-License-Identifier: Apache-2.0
"""A PyTorch Dataset over features that `limbeck encode` or `limbeck cache run` wrote: keys and rows of one tap, across all shards of a folder.

    from torch.utils.data import DataLoader
    data = CacheDataset("cache", "pooled")
    for keys, rows in DataLoader(data, batch_size=64, shuffle=True, num_workers=2): ...

Needs h5py and numpy alone: a map-style dataset is whatever has a length and gives items. Each process opens its own files, as HDF5 wants it. Rows that
failed (status other than 0) are left out. `python3 cache_dataset.py CACHE TAP` prints what is there."""
import glob
import os
import sys

import h5py
import numpy as np


class CacheDataset:
    def __init__(self, path, tap):
        self.files = sorted(glob.glob(os.path.join(path, "*.h5"))) if os.path.isdir(path) else [path]
        if not self.files: raise FileNotFoundError(f"{path} holds no finished shard")
        self.tap, self.open_files, self.places, self.keys = tap, {}, [], []
        for number, name in enumerate(self.files):
            with h5py.File(name, "r") as f:
                if f"features/{tap}" not in f: raise KeyError(f"{name} has no tap {tap!r}; it has {sorted(f['features'])}")
                good = np.flatnonzero(f["status"][:] == 0)
                keys = f["keys"].asstr()[:]
            self.places += [(number, int(row)) for row in good]
            self.keys += [str(keys[row]) for row in good]

    def __len__(self): return len(self.places)

    def __getitem__(self, i):
        number, row = self.places[i]
        f = self.open_files.get(number)
        if f is None: f = self.open_files[number] = h5py.File(self.files[number], "r")
        values = f[f"features/{self.tap}"]
        if f"offsets/{self.tap}" in f:  # a tap whose length varies
            first, end = f[f"offsets/{self.tap}"][row:row + 2]
            stored = values[first:end]
        else: stored = values[row]
        if values.attrs.get("dtype") in ("bf16", b"bf16"): stored = (stored.astype(np.uint32) << 16).view(np.float32)
        scale = f[f"scale/{self.tap}"][row] if f"scale/{self.tap}" in f else 1  # i8
        return self.keys[i], np.asarray(stored, np.float32) * np.float32(scale)

    def __getstate__(self):  # for workers: files are opened anew there
        return dict(self.__dict__, open_files={})


if __name__ == "__main__":
    data = CacheDataset(*sys.argv[1:3])
    key, row = data[0]
    print(f"{len(data)} items; {key}: {row.shape}, mean {row.mean():.6f}")
