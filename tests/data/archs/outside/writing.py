# SPDX-License-Identifier: Apache-2.0
"""Texts that decoders write, by the search of transformers: the "generate" of a case."""
import torch
from transformers import GenerationConfig, GenerationMixin


def write(model, ids, mask=None, audio=None, beams=1, length_penalty=1.0, early_stopping=False, max_new=6, eos=(1,), suppress=(), begin_suppress=()):
    """One way of writing, its prompts, the new tokens without the ending one, and with beams the scores."""
    more = dict(suppress_tokens=list(suppress)) if suppress else {}
    more |= dict(begin_suppress_tokens=list(begin_suppress)) if begin_suppress else {}
    config = GenerationConfig(num_beams=beams, do_sample=False, length_penalty=length_penalty, early_stopping=early_stopping, max_new_tokens=max_new, eos_token_id=list(eos), pad_token_id=0,
                              decoder_start_token_id=2, output_scores=True, return_dict_in_generate=True, **more)
    model = model.float()  # in float64 the mask of transformers makes NaN of padding in front
    audio = None if audio is None else audio.float()
    with torch.no_grad():
        if audio is None:
            y = GenerationMixin.generate(model, ids, attention_mask=mask, generation_config=config)
        else:
            y = GenerationMixin.generate(model, audio, decoder_input_ids=ids, generation_config=config)
    texts = []
    for row in y.sequences[:, ids.shape[1]:].tolist():
        ends = [k for k, token in enumerate(row) if token in eos]
        texts.append(row[:ends[0]] if ends else row)
    one = dict(beams=beams, length_penalty=length_penalty, early_stopping=early_stopping, max_new=max_new, eos=list(eos), suppress=list(suppress), begin_suppress=list(begin_suppress), ids=ids.tolist(), texts=texts)
    if mask is not None:
        one["mask"] = mask.tolist()
    if beams > 1:
        one["scores"] = y.sequences_scores.tolist()
    model.double()
    return one
