# SPDX-License-Identifier: Apache-2.0
"""Networks of sound of Hugging Face transformers: audio.json, audio.h5 (see recorder.py). Run with PyTorch 2.15 and transformers 5.24."""
import tempfile

import torch
import transformers as tr
from recorder import Recorder, hugging_face, picture, values
from writing import write

IDS = torch.tensor([[3, 9, 4, 12, 7], [1, 2, 15, 6, 0]])


def open_case(make):
    with tempfile.TemporaryDirectory() as folder:
        return hugging_face(make, folder, attn_implementation="eager")


def whisper(r, name, make=tr.WhisperForConditionalGeneration, **more):
    config = tr.WhisperConfig(**(dict(vocab_size=20, num_mel_bins=6, d_model=24, encoder_layers=2, encoder_attention_heads=3, encoder_ffn_dim=30, decoder_layers=3, decoder_attention_heads=4, decoder_ffn_dim=20,
                                      max_source_positions=9, max_target_positions=8, pad_token_id=0, bos_token_id=1, eos_token_id=1, decoder_start_token_id=2, attn_implementation="eager") | more))
    model, config, tensors = open_case(lambda: make(config))
    audio = picture(2, config["num_mel_bins"], 2 * config["max_source_positions"], name="audio")
    with torch.no_grad():
        y = model(input_features=audio, decoder_input_ids=IDS, output_hidden_states=True, output_attentions=True, return_dict=True)
    inner, outer = y.encoder_hidden_states, y.decoder_hidden_states
    out = {"mel": audio, "embeddings": inner[0], "encoder": y.encoder_last_hidden_state}
    out |= {f"attn.{k}": a for k, a in enumerate(y.encoder_attentions)}
    out |= {f"block.{k}": h for k, h in enumerate(inner[1:-1])} | {f"decoder.{k}": h for k, h in enumerate(outer[1:-1])}
    if hasattr(y, "logits"):
        out["logits"] = y.logits
    r.case(name, config, tensors, {"audio": audio, "ids": IDS}, out)
    if hasattr(y, "logits"):
        start = torch.tensor([[2, 11], [2, 5]])
        ways = [dict(max_new=6), dict(max_new=6, suppress=(3, 4), begin_suppress=(7, 1)), dict(beams=3, max_new=6), dict(beams=4, length_penalty=0.2, early_stopping=True, eos=(1, 6, 9))]
        r.cases[name]["generate"] = [write(model, start, audio=audio, **way) for way in ways]


def hooked(modules, names):
    out = {}
    for name, module in zip(names, modules):
        module.register_forward_hook(lambda _m, _i, y, name=name: out.__setitem__(name, y[0] if isinstance(y, tuple) else y))
    return out


def numbered(modules):
    modules = list(modules)
    return hooked(modules, [f"block.{k}" for k in range(len(modules))])


def ast(r, name, make, **more):
    config = tr.ASTConfig(**(dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=30, patch_size=4, frequency_stride=3, time_stride=2, max_length=14, num_mel_bins=10) | more))
    model, config, tensors = open_case(lambda: make(config))
    inner = getattr(model, "audio_spectrogram_transformer", model)
    audio = picture(2, config["max_length"], config["num_mel_bins"], name="audio")
    taps = numbered(inner.layers)
    first = hooked([inner.embeddings], ["embeddings"])
    with torch.no_grad():
        y = inner(audio)
        out = {"mel": audio, "tokens": y.last_hidden_state, "pooled": y.pooler_output, "embedding": y.pooler_output}
        if model is not inner:
            out["logits"] = model(audio).logits
    r.case(name, config, tensors, {"audio": audio}, out | taps | first)


def wave(r, name, make, kind, old=False, masked=False, **more):
    config = kind(**(dict(vocab_size=9, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=30, conv_dim=(6, 8, 8), conv_stride=(3, 2, 2), conv_kernel=(5, 3, 2), num_conv_pos_embeddings=6,
                          num_conv_pos_embedding_groups=3, num_feat_extract_layers=3, pad_token_id=0) | more))
    model, config, tensors = open_case(lambda: make(config))
    inner = getattr(model, "wav2vec2", getattr(model, "hubert", model))
    audio = picture(2, 140, name="audio")
    if old:
        for new, was in (("parametrizations.weight.original0", "weight_g"), ("parametrizations.weight.original1", "weight_v")):
            for k, shape in [x for x in tensors.items() if x[0].endswith(new)]:
                k = k.replace(new, was)
                tensors = {n.replace(new, was): v for n, v in tensors.items()}
                model.get_parameter(k.replace(was, new)).data.copy_(values(k, tuple(shape)))
    inputs = {"audio": audio}
    if masked:
        inputs["mask"] = (torch.arange(140) < torch.tensor([[140], [90]])).long()
    taps = numbered(inner.encoder.layers)
    first = hooked([inner.feature_extractor], ["features"])
    with torch.no_grad():
        y = inner(audio, attention_mask=inputs.get("mask"), output_hidden_states=True, output_attentions=True)
        out = {"features": first["features"].transpose(1, 2), "embeddings": y.hidden_states[0], "tokens": y.last_hidden_state, "encoder": y.last_hidden_state}
        out |= {f"attn.{k}": a for k, a in enumerate(y.attentions)}
        if masked:
            w = inner._get_feature_vector_attention_mask(y.last_hidden_state.shape[1], inputs["mask"]).double().unsqueeze(-1)
            out["pooled"] = (y.last_hidden_state * w).sum(1) / w.sum(1)
        else:
            out["pooled"] = y.last_hidden_state.mean(1)
        if hasattr(model, "lm_head"):
            out["logits"] = model.lm_head(y.last_hidden_state)
    r.case(name, config, tensors, inputs, out | taps)


def clap(r, name, make, outer=False, frames=30, **more):
    config = tr.ClapAudioConfig(**(dict(window_size=4, num_mel_bins=8, spec_size=32, patch_size=2, patch_stride=2, patch_embeds_hidden_size=12, hidden_size=24, projection_dim=10, depths=[2, 3], num_attention_heads=[2, 3], num_hidden_layers=2) | more))
    if outer:
        config = tr.ClapConfig(audio_config=config.to_dict(), text_config=dict(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, max_position_embeddings=8), projection_dim=10)
    model, config, tensors = open_case(lambda: make(config))
    encoder = model.audio_model.audio_encoder
    for layer in encoder.modules():  # a buffer in published files, not a weight
        if hasattr(layer, "create_relative_position_index"):
            layer.relative_position_index.copy_(layer.create_relative_position_index())
    tensors = {k: v for k, v in tensors.items() if not k.endswith("relative_position_index")}
    shape = (2, 4 if more.get("enable_fusion") else 1, frames, 8)
    audio = picture(*shape, name="audio")
    taps = numbered(b for s in encoder.layers for b in s.blocks)
    first = hooked([encoder.patch_embed, encoder.norm], ["embeddings", "tokens"])
    maps, keep = {}, lambda k: lambda module, args, y: maps.update({f"attn.{k}": y[1].reshape(len(audio), -1, *y[1].shape[1:])})
    for k, block in enumerate(b for s in encoder.layers for b in s.blocks): block.attention.self.register_forward_hook(keep(k))
    with torch.no_grad():
        y = model.audio_model(input_features=audio, is_longer=torch.zeros(2, dtype=torch.long), output_attentions=True)
        z = model.audio_projection(y.pooler_output)
    out = {"mel": audio, "features": y.last_hidden_state, "pooled": y.pooler_output, "audio_embeds": z, "embedding": torch.nn.functional.normalize(z, dim=-1)}
    r.case(name, config, tensors, {"audio": audio}, out | taps | first | (maps if name == "clap-audio" else {}))


def main():
    r = Recorder("audio")
    ast(r, "ast", tr.ASTModel, layer_norm_eps=1e-6)
    ast(r, "ast-classes", tr.ASTForAudioClassification, num_labels=5, qkv_bias=False, hidden_act="relu", patch_size=5, frequency_stride=5)
    wave(r, "wav2vec2", tr.Wav2Vec2Model, tr.Wav2Vec2Config)
    wave(r, "wav2vec2-masked", tr.Wav2Vec2Model, tr.Wav2Vec2Config, masked=True, feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True)
    wave(r, "wav2vec2-ctc", tr.Wav2Vec2ForCTC, tr.Wav2Vec2Config, old=True, num_conv_pos_embeddings=5, feat_extract_activation="relu", hidden_act="gelu_new")
    wave(r, "wav2vec2-adapters", tr.Wav2Vec2Model, tr.Wav2Vec2Config, masked=True, num_hidden_layers=1, do_stable_layer_norm=True, adapter_attn_dim=5, add_adapter=True, num_adapter_layers=2, output_hidden_size=10, conv_stride=(2, 2, 2))
    wave(r, "hubert", tr.HubertModel, tr.HubertConfig, do_stable_layer_norm=True, feat_extract_norm="layer", feat_proj_layer_norm=False)
    wave(r, "hubert-norm", tr.HubertForCTC, tr.HubertConfig, conv_pos_batch_norm=True, layer_norm_eps=1e-6)
    clap(r, "clap-audio", tr.ClapAudioModelWithProjection)
    clap(r, "clap-audio-square", tr.ClapModel, outer=True, frames=128, enable_patch_layer_norm=False, window_size=8, mlp_ratio=3.0, projection_hidden_act="gelu")
    clap(r, "clap-fusion", tr.ClapAudioModelWithProjection, enable_fusion=True, frames=100)
    clap(r, "clap-audio-oblong", tr.ClapAudioModelWithProjection, patch_size=[4, 2], patch_stride=[4, 2])
    whisper(r, "whisper")
    whisper(r, "whisper-writes", vocab_size=40, d_model=40, encoder_attention_heads=4, decoder_layers=2, max_target_positions=12, activation_function="relu")
    whisper(r, "whisper-untied", tie_word_embeddings=False, activation_function="gelu_new", num_mel_bins=5, scale_embedding=True)
    r.done()


main()
