# SPDX-License-Identifier: Apache-2.0
"""Writes eval/surface_table.h: the normals of surface elements per 2x2x2 neighbourhood, data of DeepMind's surface-distance
(Apache-2.0, lookup_tables.py), times 8.  python3 surface_table.py LOOKUP_TABLES.PY > surface_table.h"""
import importlib.util
import sys

spec = importlib.util.spec_from_file_location("lookup_tables", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Written by surface_table.py from lookup_tables.py of DeepMind's surface-distance (Apache-2.0): normals of the (at most four) triangles")
print(" * of each neighbourhood of 2x2x2 voxels, times 8; their length is an area in units of a voxel's face. */")
print("static const signed char normals[256][4][3] = {")
for code, rows in enumerate(module._NEIGHBOUR_CODE_TO_NORMALS):
    eight = [[round(8 * x) for x in row] for row in rows]
    assert len(eight) <= 4 and all(abs(8 * x - round(8 * x)) < 1e-12 for row in rows for x in row), code
    eight += [[0, 0, 0]] * (4 - len(eight))
    print("    {" + ", ".join("{%d, %d, %d}" % tuple(row) for row in eight) + "},")
print("};")
