/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs over frames of sound as models. Source: github.com/snakers4/silero-vad. */
#ifndef LB_ONNX_FRAMES_H
#define LB_ONNX_FRAMES_H
#include "onnx/onnx.h"
LB_BEGIN

/** Inputs: sound f32 [N,T], state f32 [L,N,D], a whole number `sr`; the output <state>N is the next state. */
LB_API bool lb_onnx_hears_frames(const lb_onnx *graph);
/** As a model of nn/model.h with the input `audio` [N,T] at 16 kHz. Taps: every output, a row for each whole frame of 512 samples, [N,F,...] (a shorter sound is
 *  one frame, filled with zeros); and the last state [N,L,D] under its output's name. The graph must outlive it. LB_E_ARG when it is no such graph. */
LB_API LB_MUST_USE lb_status lb_onnx_frames_model(lb_model **out, const lb_onnx *graph);

LB_END
#endif
