# SPDX-License-Identifier: Apache-2.0
# Long work says where its time goes, and names what the rest waits for.
import re
from common import *


def encode():
    write("v.txt", "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS) + "\n")
    make_items("st", 24)
    text = RECIPE.format(list="st.jsonl", steps=2).replace("vocab.txt", "v.txt")
    write("st.yaml", text)
    works("a tiny model", run("train", "st.yaml", "--out", "st-run"))
    done = run("encode", "--model", "st-run/model", "--input", "st.jsonl", "--taps", "image_embed", "--out", "st.h5", "--memory", "1")
    check("stages of encode", done.code == 0 and re.search(r"decode \d+ %, prepare \d+ %, model \d+ %, write \d+ %", done.err), done.err)
    done = run("prepare", "--input", "st.jsonl", "--resize", "200", "--format", "png", "--out", "st-folder", "--memory", "16")
    check("stages of prepare", done.code == 0 and re.search(r"decode \d+ %, prepare \d+ %, encode \d+ %, write \d+ %", done.err), done.err)
    time = json.loads(read("st-folder/stats.json"))["time"]
    check("kept in stats.json", set(time["seconds"]) == {"decode", "prepare", "encode", "write"} and time["wall"] > 0 and time["workers"] >= 1, str(time))


CASES = [encode]
