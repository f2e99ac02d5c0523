#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make.py: rank statistics of SciPy (made with 1.17) for made numbers with and without ties -> ranks.json"""
import json
import os

import numpy as np
from scipy import stats

rng = np.random.default_rng(2)
cases = []
for n, levels in ((2, 0), (5, 0), (8, 3), (40, 0), (41, 5), (200, 12)):
    x = rng.standard_normal(n)
    y = 0.6 * x + rng.standard_normal(n)
    if levels:
        x, y = np.round(x * levels / 4), np.round(y * levels / 4)
    cases.append(dict(x=x.tolist(), y=y.tolist(), ranks=stats.rankdata(x).tolist(), kendall=float(stats.kendalltau(x, y).statistic),
                      spearman=float(stats.spearmanr(x, y).statistic), pearson=float(stats.pearsonr(x, y).statistic)))
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "ranks.json"), "w") as f:
    json.dump(cases, f, indent=0)
