# SPDX-License-Identifier: Apache-2.0
# The Dataset of examples/cache_dataset.py over what the command wrote: every good row once, by key, in each number type.
import numpy as np
from common import *

sys.path.insert(1, os.path.join(os.environ["LB_SOURCE"], "examples"))


def over_a_cache():
    from cache_dataset import CacheDataset
    works("synth", run("synth", "classes", "--out", "shapes", "--option", "each=4", "size=32"))
    works("teacher", run("train", os.path.join(os.environ["LB_SOURCE"], "recipes/methods/teacher.yaml"), "--out", "taught", "--quiet", "--set", "train.steps=1", "data.input=shapes"))
    rows = [json.loads(l) for l in open(path("shapes/list.jsonl"))]
    with open(path("some.jsonl"), "w") as f:
        for i, row in enumerate(rows): f.write(json.dumps(dict(row, image=os.path.join(path("shapes"), row["image"]) if i else "absent.png")) + "\n")
    exact = None
    for dtype, off in (("f32", 0), ("f16", 2e-3), ("bf16", 2e-2), ("i8", 2e-2)):
        done = run("cache", "run", "--model", "taught/model", "--input", "some.jsonl", "--taps", "logits,block.0", "--out", "cached-" + dtype, "--shard-size", "7", "--dtype", dtype, "--quiet")
        check("cached as " + dtype, os.path.isdir(path("cached-" + dtype)), done)
        for tap in ("logits", "block.0"):
            data = CacheDataset(path("cached-" + dtype), tap)
            check(f"{dtype} {tap}: every good item", len(data) == len(rows) - 1 and [data[i][0] for i in range(len(data))] == [r["key"] for r in rows[1:]], data.keys[:3])
        values = np.stack([CacheDataset(path("cached-" + dtype), "logits")[i][1] for i in range(len(rows) - 1)])
        if exact is None: exact = values
        check(f"{dtype}: values", values.dtype == np.float32 and np.abs(values - exact).max() <= off * np.abs(exact).max(), np.abs(values - exact).max())
    try: CacheDataset(path("cached-f32"), "none")
    except KeyError as e: check("an unknown tap", "logits" in str(e), e)


CASES = [over_a_cache]
