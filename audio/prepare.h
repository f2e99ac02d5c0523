/* SPDX-License-Identifier: Apache-2.0 */
/* What an audio network wants of sound: rate, windows of fixed length, and the wave itself or a log-mel of it. Read from preprocessor_config.json of
 * Hugging Face folders. An opened one is immutable, share freely. */
#ifndef LB_AUDIO_PREPARE_H
#define LB_AUDIO_PREPARE_H
#include "audio/mel.h"
#include "base/value.h"
LB_BEGIN

typedef struct lb_audio_prepare {
    int rate_hz;
    int64_t window;   /* samples of one input: longer sound is cut, shorter filled with zeros; 0 = the whole sound, as long as it is */
    int64_t step;     /* from one window of long sound to the next */
    bool repeat;      /* filled by the sound as often as it goes in whole, then zeros (CLAP) */
    bool sixteen;     /* samples pass 16 bits, as Whisper's loader has them */
    bool normalise;   /* (x - mean) / sqrt(variance + 1e-7) over the sound (wav2vec 2.0) */
    bool channel;     /* a log-mel has an axis of one channel before its others */
    lb_mel *mel;      /* NULL = the wave */
    char name[32];    /* "whisper", "ast", "clap", "wave" */
} lb_audio_prepare;

/** From preprocessor_config.json (feature_extractor_type of Whisper, AST, wav2vec 2.0, CLAP and their sizes). LB_E_UNSUPPORTED names what is not known. */
LB_API LB_MUST_USE lb_status lb_audio_prepare_from(lb_audio_prepare *out, const lb_value *config);
/** The same from JSON text, as archs state it. */
LB_API LB_MUST_USE lb_status lb_audio_prepare_parse(lb_audio_prepare *out, const char *json);
LB_API void lb_audio_prepare_free(lb_audio_prepare *p);
/** All that decides the values, for fingerprints. NULL when memory is refused. */
LB_API lb_value *lb_audio_prepare_value(const lb_audio_prepare *p);

/** The shape of an input made of n samples. */
LB_API void lb_audio_prepare_shape(const lb_audio_prepare *p, int64_t n, int *rank, int64_t shape[3]);
/** The input of mono samples at the rate; dst holds the product of the shape. LB_E_ARG when they are too few. Thread-safe. */
LB_API LB_MUST_USE lb_status lb_audio_prepare_run(float *dst, const lb_audio_prepare *p, const float *samples, int64_t n);

LB_END
#endif
