# SPDX-License-Identifier: Apache-2.0
"""Text encoders and decoders of Hugging Face transformers: text.json, text.h5 (see recorder.py). Run with PyTorch 2.15 and transformers 5.24."""
import tempfile

import torch
import torch.nn.functional as F
import transformers as tr
from recorder import Recorder, hugging_face, values
from writing import write

IDS = torch.tensor([[5, 9, 3, 17, 22, 8, 11], [4, 18, 2, 7, 1, 1, 1], [6, 6, 20, 1, 1, 1, 1]])
MASK = (IDS != 1).long()
LEFT = torch.tensor([[5, 9, 3, 17], [0, 4, 18, 2], [0, 0, 0, 6], [7, 7, 2, 20]])  # prompts, filled in front
LEFT_MASK = (LEFT != 0).long()
WAYS = [dict(max_new=8), dict(max_new=9, eos=(1, 13, 2), suppress=(4, 6, 9), begin_suppress=(3, 11)), dict(beams=3, max_new=7), dict(beams=4, length_penalty=0.3, early_stopping=True, eos=(8, 10)),
        dict(beams=2, length_penalty=2.0, max_new=5, suppress=(3,), eos=(5, 7, 12, 14, 16)), dict(beams=5, length_penalty=-0.5, max_new=8, eos=tuple(range(1, 9)))]
SMALL = dict(vocab_size=24, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, attn_implementation="eager")


def pool(how, x, mask):
    """As sentence_transformers.models.Pooling does it."""
    w = mask.double().unsqueeze(-1)
    if how == "cls":
        return x[:, 0]
    if how == "max":
        return x.masked_fill(w == 0, -1e9).max(1).values
    if how == "mean":
        return (x * w).sum(1) / w.sum(1)
    if how == "mean_sqrt_len":
        return (x * w).sum(1) / w.sum(1).sqrt()
    if how == "weightedmean":
        w = w * torch.arange(1, x.shape[1] + 1).double().view(1, -1, 1)
        return (x * w).sum(1) / w.sum(1)
    return x[torch.arange(len(x)), mask.shape[1] - 1 - mask.flip(1).argmax(1)]  # lasttoken


FULL = dict(ids=torch.tensor([[5, 9, 3, 17, 22, 8, 11], [4, 18, 2, 7, 1, 1, 1]]), mask=torch.ones(2, 7, dtype=torch.long))  # where a window would leave padding nothing to see


def record(r, name, make, head=None, ids=IDS, mask=MASK, edit=None, ways=()):
    """make() -> a model of Hugging Face. head: pooling, and what stands behind it. edit: what a published config.json says besides."""
    with tempfile.TemporaryDirectory() as folder:
        model, config, tensors = hugging_face(make, folder, attn_implementation="eager")
    encoder = model.get_encoder() if config["model_type"] in ("t5", "mt5") else model
    out = {}
    layers = next(m for m in encoder.modules() if isinstance(m, torch.nn.ModuleList))
    for k, layer in enumerate(layers):
        layer.register_forward_hook(lambda _m, _i, y, k=k: out.__setitem__(f"block.{k}", y[0] if isinstance(y, tuple) else y))
    with torch.no_grad():
        y = encoder(input_ids=ids, attention_mask=mask, output_hidden_states=True, output_attentions=True, return_dict=True)
    out["embeddings"], tokens = y.hidden_states[0], y.hidden_states[-1]
    out["tokens"] = tokens
    if ids.shape[1] < 50:
        out |= {f"attn.{k}": a for k, a in enumerate(y.attentions)}
    if hasattr(y, "logits"):
        out["logits"] = y.logits
    if head:
        config |= head
        x = out["pooled"] = torch.cat([pool(how, tokens, mask) for how in head["pooling"].split("+")], 1)
        if "dense" in head:
            tensors |= {"dense.linear.weight": [head["dense"], x.shape[1]]} | ({"dense.linear.bias": [head["dense"]]} if head["dense_bias"] else {})
            x = F.linear(x, values("dense.linear.weight", (head["dense"], x.shape[1])), values("dense.linear.bias", (head["dense"],)) if head["dense_bias"] else None)
            x = torch.tanh(x) if head["dense_act"] == "tanh" else x
        for step in head["head"].split("+") if "head" in head else []:
            if step == "normalize":
                x = F.normalize(x, dim=-1)
                continue
            width, act, *no_bias = step.split(":")[1:]
            part = "dense.linear" if "dense.linear.weight" not in tensors else "dense.1.linear"
            tensors |= {part + ".weight": [int(width), x.shape[1]]} | ({} if no_bias else {part + ".bias": [int(width)]})
            x = F.linear(x, values(part + ".weight", (int(width), x.shape[1])), None if no_bias else values(part + ".bias", (int(width),)))
            x = torch.tanh(x) if act == "tanh" else x
        out["embedding"] = F.normalize(x, dim=-1) if head.get("normalize") else x
    for key, value in (edit or {}).items():
        config.pop(key) if value is None else config.update({key: value})
    r.case(name, config, tensors, {"ids": ids, "mask": mask}, out)
    if ways:
        r.cases[name]["generate"] = [write(model, LEFT, LEFT_MASK, **way) for way in ways]


def bert(kind, **more):
    config = getattr(tr, f"{kind}Config")(**(SMALL | dict(max_position_embeddings=20) | more))
    return lambda: getattr(tr, f"{kind}Model")(config)


def decoder(kind, **more):
    config = getattr(tr, f"{kind}Config")(**(SMALL | dict(max_position_embeddings=64, num_key_value_heads=1, rms_norm_eps=1e-5) | more))
    return lambda: getattr(tr, f"{kind}ForCausalLM")(config)


def main():
    r = Recorder("text")
    plain = dict(add_pooling_layer=False)
    record(r, "bert", bert("Bert", hidden_act="gelu_new", layer_norm_eps=1e-6), dict(pooling="cls", normalize=True))
    record(r, "bert-mean", lambda: tr.BertModel(tr.BertConfig(**SMALL, max_position_embeddings=9, type_vocab_size=1, hidden_act="relu"), **plain), dict(pooling="mean"))
    record(r, "bert-dense", bert("Bert"), dict(pooling="max+mean", dense=10, dense_bias=True, dense_act="tanh", normalize=True))
    record(r, "bert-head", bert("Bert"), dict(pooling="mean", head="dense:10:tanh+normalize+dense:6:none:no-bias+normalize"))
    record(r, "roberta", bert("Roberta", type_vocab_size=1), dict(pooling="weightedmean"))
    record(r, "roberta-padding", bert("Roberta", pad_token_id=3, hidden_act="silu"), dict(pooling="mean_sqrt_len"), ids=IDS.where(IDS != 1, 3), mask=(IDS != 1).long())
    record(r, "xlm-roberta", bert("XLMRoberta"), dict(pooling="cls"))
    record(r, "camembert", bert("Camembert"), dict(pooling="max"))
    record(r, "electra", bert("Electra", embedding_size=10), dict(pooling="mean", normalize=True))
    record(r, "bert-decoder", bert("Bert", is_decoder=True, num_hidden_layers=1), dict(pooling="lasttoken"))
    small = dict(vocab_size=24, dim=24, n_layers=2, n_heads=4, hidden_dim=40, max_position_embeddings=20)
    record(r, "distilbert", lambda: tr.DistilBertModel(tr.DistilBertConfig(**small)), dict(pooling="mean", normalize=True))
    record(r, "distilbert-relu", lambda: tr.DistilBertModel(tr.DistilBertConfig(**small, activation="relu", sinusoidal_pos_embds=True)), dict(pooling="lasttoken", dense=7, dense_bias=False, dense_act="none"))
    record(r, "mpnet", bert("MPNet"), dict(pooling="mean", normalize=True))
    long = torch.arange(2, 24).repeat(7)[:150].view(1, -1)
    record(r, "mpnet-buckets", bert("MPNet", relative_attention_num_buckets=40, num_hidden_layers=1, hidden_size=12, intermediate_size=8, max_position_embeddings=160), dict(pooling="cls"), ids=long, mask=torch.ones_like(long))
    gpt = dict(vocab_size=24, n_positions=16, n_embd=24, n_layer=2, n_head=4)
    record(r, "gpt2", lambda: tr.GPT2LMHeadModel(tr.GPT2Config(**gpt)), ways=WAYS)
    record(r, "gpt2-scaled", lambda: tr.GPT2LMHeadModel(tr.GPT2Config(**gpt, n_inner=30, scale_attn_by_inverse_layer_idx=True, scale_attn_weights=False, activation_function="relu", tie_word_embeddings=False)))
    record(r, "gpt2-cross", lambda: tr.GPT2LMHeadModel(tr.GPT2Config(**gpt | dict(n_layer=1), add_cross_attention=True)))
    record(r, "llama", decoder("Llama"), ways=WAYS)
    record(r, "llama-bias", decoder("Llama", num_key_value_heads=3, attention_bias=True, mlp_bias=True, head_dim=6, tie_word_embeddings=True, hidden_act="gelu"))
    record(r, "llama-linear", decoder("Llama", rope_parameters=dict(rope_type="linear", factor=4.0, rope_theta=500.0)))
    record(r, "llama3", decoder("Llama", head_dim=16, rope_parameters=dict(rope_type="llama3", factor=8.0, rope_theta=1000.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8)))
    record(r, "llama-old-scaling", decoder("Llama", rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=300.0)), edit=dict(rope_parameters=None, rope_theta=300.0, rope_scaling=dict(type="linear", factor=2.0)))
    record(r, "llama-dynamic", decoder("Llama", max_position_embeddings=5, rope_parameters=dict(rope_type="dynamic", factor=3.0, rope_theta=100.0)))
    yarn = dict(rope_type="yarn", factor=4.0, rope_theta=1000.0, original_max_position_embeddings=16)
    record(r, "llama-yarn", decoder("Llama", head_dim=16, rope_parameters=yarn))
    record(r, "llama-yarn-exact", decoder("Llama", head_dim=16, rope_parameters=yarn | dict(attention_factor=1.3, beta_fast=4.0, beta_slow=0.5, truncate=False)))
    record(r, "llama-yarn-mscale", decoder("Llama", head_dim=16, num_hidden_layers=1, rope_parameters=yarn | dict(mscale=0.7, mscale_all_dim=1.2)))
    record(r, "mistral", decoder("Mistral", sliding_window=3), **FULL)
    record(r, "qwen2", decoder("Qwen2", tie_word_embeddings=True))
    record(r, "qwen2-window", decoder("Qwen2", num_hidden_layers=3, use_sliding_window=True, sliding_window=2, max_window_layers=1), edit=dict(layer_types=None), **FULL)
    record(r, "qwen2-layers", decoder("Qwen2", num_hidden_layers=3, use_sliding_window=True, sliding_window=2, layer_types=["sliding_attention", "full_attention", "sliding_attention"]), **FULL)
    record(r, "qwen3", decoder("Qwen3", head_dim=10, num_key_value_heads=3), dict(pooling="lasttoken", normalize=True))
    t5 = dict(vocab_size=24, d_model=24, d_kv=6, d_ff=30, num_layers=2, num_heads=3)
    record(r, "t5", lambda: tr.T5EncoderModel(tr.T5Config(**t5)), dict(pooling="mean", dense=9, dense_bias=False, dense_act="none", normalize=True))
    record(r, "t5-gated", lambda: tr.T5EncoderModel(tr.T5Config(**t5, feed_forward_proj="gated-gelu", relative_attention_num_buckets=8, relative_attention_max_distance=6)))
    record(r, "mt5", lambda: tr.MT5EncoderModel(tr.MT5Config(**t5, feed_forward_proj="gated-silu")))
    r.done()


main()
