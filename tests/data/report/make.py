# SPDX-License-Identifier: Apache-2.0
"""Run folders for the tests of `limbeck report`: python3 make.py (in this folder). The numbers are drawn here; what the report makes of them is
computed by the tests with Python's statistics module."""
import json, os, random

RUNS = [("teacher", "teacher", 1), ("alone", "student-alone", 3), ("distilled", "student-distilled", 3)]
BASE = {"teacher": (14, 29, 39), "alone": (6, 16, 23), "distilled": (8, 23, 32)}
draw = random.Random(3)


def scores(base):
    out = {}
    for way in "image_to_text", "text_to_image":
        out[way] = {}
        for k, b in zip((1, 5, 10), base):
            x = round(b + draw.gauss(0, 1)) + draw.choice([0, 0.25, 0.5, 0.75])
            out[way].update({f"r{k}": x, f"r{k}_95": [x - 3.25, x + 3.5]})
        out[way].update(median_rank=draw.randrange(20, 60) + 0.5, mrr=round(draw.uniform(0.1, 0.2), 6))
    for k in 1, 5, 10: out[f"r{k}"] = (out["image_to_text"][f"r{k}"] + out["text_to_image"][f"r{k}"]) / 2
    out.update(images=400, texts=400, ties="higher score, then lower index")
    return out


for folder, name, seeds in RUNS:
    for seed in range(seeds):
        path = f"{folder}-{seed}"
        os.makedirs(path, exist_ok=True)
        start = draw.uniform(4, 10)
        with open(f"{path}/log.jsonl", "w") as f:
            for step in range(0, 100, 10):
                line = {"step": step, "loss": round(start * 0.97 ** step + draw.uniform(0, 0.2), 5), "terms": {"symmetric": 1.5}, "lr": 0.001, "norm": 2.5, "items_per_second": 250.5}
                f.write(json.dumps(line) + "\n")
                if step in (30, 60) and folder != "teacher": f.write(json.dumps({"step": step, "scores": scores([b * step / 99 for b in BASE[folder]])}) + "\n")
        final = scores(BASE[folder])
        size = (1118977, 1118977) if folder == "teacher" else (4833233, 926417)
        summary = {"name": name, "seed": seed, "steps": 100, "seconds": round(draw.uniform(90, 110), 3), "items_per_second": round(draw.uniform(230, 260), 3), "last_loss": 1.5,
                   "peak_bytes": draw.randrange(400, 500) * 1000000, "parameters": size[0], "parameters_without_tokens": size[1], "arch": "dual_encoder", "trained_from": "0" * 64,
                   "eval_split": "test", "eval_items": 400, "program": "limbeck 0.1.0", "machine": "A <processor> & more", "threads": 2, "scores": final}
        json.dump(summary, open(f"{path}/summary.json", "w"), indent=1)
        if folder != "teacher": json.dump({"top1": round(draw.uniform(30, 50), 2), "top5": 80.5, "mean_class_recall": 33.25}, open(f"{path}/zeroshot.json", "w"))
