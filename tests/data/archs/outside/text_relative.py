# SPDX-License-Identifier: Apache-2.0
"""BERT with places as distances inside attention: text_relative.json, text_relative.h5 (see recorder.py). Newer transformers no longer compute it: run with
PyTorch 2.15 and transformers 4.50, the last that do."""
import tempfile

import torch
import transformers as tr
from recorder import Recorder, hugging_face, watch

IDS = torch.tensor([[5, 9, 3, 17, 22, 8, 11], [4, 18, 2, 7, 1, 1, 1], [6, 6, 20, 1, 1, 1, 1]])
MASK = (IDS != 1).long()


def record(r, name, kind, **more):
    config = getattr(tr, f"{kind}Config")(vocab_size=24, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20, max_position_embeddings=12, attn_implementation="eager", **more)
    with tempfile.TemporaryDirectory() as folder:
        model, config, tensors = hugging_face(lambda: getattr(tr, f"{kind}Model")(config), folder, attn_implementation="eager")
    with torch.no_grad():
        y, out = watch(lambda: model(input_ids=IDS, attention_mask=MASK, output_hidden_states=True, output_attentions=True), model.encoder.layer)
    out |= {"embeddings": y.hidden_states[0], "tokens": y.last_hidden_state} | {f"attn.{k}": a for k, a in enumerate(y.attentions)}
    r.case(name, config, tensors, {"ids": IDS, "mask": MASK}, out)


def main():
    r = Recorder("text_relative")
    record(r, "relative key", "Bert", position_embedding_type="relative_key")
    record(r, "relative key and query", "Bert", position_embedding_type="relative_key_query", is_decoder=True)
    record(r, "electra", "Electra", position_embedding_type="relative_key_query", embedding_size=10)
    r.done()


main()
