/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by cli/encode*.c: what one run of a model over items reads, and its batches. */
#ifndef LB_CLI_ENCODE_PRIVATE_H
#define LB_CLI_ENCODE_PRIVATE_H
#include "base/sig.h"
#include "cli/models.h"
#include "cli/stages.h"

enum { ENCODE_TAPS = 256, ENCODE_INPUTS = 16 }; /* taps of the model; a file may have one more, `augment` */

/* What the wanted taps need, of all that the network could take. */
typedef struct encode_needs {
    bool image, text, features, audio;
    bool prompt; /* of a network of sound: the tokens that a text begins with */
} encode_needs;

/* ---- encode_flight.c: items that are being worked on, known after a crash ---- */
typedef struct encode_flight encode_flight; /* prepare: thread-safe */
/* Of the feature file `file`, n items. An item in flight at a crash gets one more crash to its name. NULL flights do nothing. */
LB_MUST_USE lb_status encode_flight_open(encode_flight **out, const char *file, int64_t n);
void encode_flight_close(encode_flight *f, bool finished);
void encode_flight_remove(const char *file); /* what a run left that was killed in its last moment */
int encode_flight_begin(encode_flight *f, int64_t item);   /* @return a slot for encode_flight_end */
void encode_flight_end(encode_flight *f, int slot);
void encode_flight_batch(encode_flight *f, int64_t first, int64_t end); /* now in the network; first = end: none */
int64_t encode_flight_crashes(const encode_flight *f, int64_t item);
int64_t encode_flight_suspect(const encode_flight *f, int i);           /* item of entry i; -1: no entry; -2: no more */
enum { ENCODE_CRASHES = 2 }; /* an item in flight at so many is passed over */

typedef struct encode_job {
    cli_model *m;
    const cli_encode_spec *spec;
    int64_t n;
    const char **keys;
    encode_needs needs;
    int32_t width, height;        /* of a prepared picture */
    lb_tap_spec taps[ENCODE_TAPS + 1];
    int ntaps;                    /* as written */
    int64_t views;                /* pictures of an item: 1, --views, or --frames */
    int64_t batch, collect;       /* items that run together; that are collected before they run, a multiple of it */
    int text_tap, times_tap;      /* taps that no network gives: written text, times of windows; -1 = not wanted */
    lb_audio_prepare audio;       /* the model's, with windows of the asked length; its log-mel is borrowed */
    double window_s;
    encode_flight *flight;
    cli_stages *stages;           /* NULL: not timed */
    bool *compared;               /* has the precision been held against f32? */
} encode_job;

/* Where the time goes; the first two are the workers'. */
enum { ENCODE_DECODE, ENCODE_PREPARE, ENCODE_MODEL, ENCODE_WRITE, ENCODE_STAGES };
/* Adds the time since `from` to a stage. @return now */
double encode_lap(const encode_job *j, int stage, double from);

/* One item, decoded and prepared; or why not. */
typedef struct encode_sample {
    lb_status status;
    char *why;
    float *image; /* [views,3,height,width] */
    float *draws; /* [views,8], of --views */
    int32_t width, height;
    int64_t *ids;
    int64_t count;
    float *audio;                 /* [windows, ...]: audio_rank sizes in audio_shape */
    int64_t windows, audio_shape[3], audio_size;
    int audio_rank;
    lb_tokens *text_windows;      /* [windows], of a long text */
    double seconds;               /* of the whole sound */
    float *made[ENCODE_TAPS];     /* values of taps that are there already, with their first sizes; else they are rows of the run's tensors */
    int64_t made_count[ENCODE_TAPS];
    lb_buf written;
} encode_sample;

/* A batch: consecutive items; the model's inputs as tensors. */
typedef struct encode_batch {
    int64_t first, n;
    encode_sample **samples; /* [n] */
    int count;
    lb_named in[ENCODE_INPUTS];
} encode_batch;

/* ---- encode_audio.c ---- */
/* The spec of sound for this run. */
LB_MUST_USE lb_status encode_audio_plan(encode_job *j);
LB_MUST_USE lb_status encode_audio_prepare(const encode_job *j, const lb_item *item, encode_sample *s);
/* Runs a batch's windows and writes text; fills `made` of its samples. */
LB_MUST_USE lb_status encode_audio_run(const encode_job *j, lb_tape *t, encode_batch *b);
/* ---- encode_texts.c ---- */
/* Items that are collected before they run, `batch` being those that run together. The taps are known. */
int64_t encode_texts_batch(const encode_job *j, int64_t batch);
/* Runs a batch's texts in order of length; fills `made` of its samples. */
LB_MUST_USE lb_status encode_texts_run(const encode_job *j, lb_tape *t, encode_batch *b);
/* Text that goes on from each sample's tokens, into `made`. */
LB_MUST_USE lb_status encode_write_texts(const encode_job *j, lb_tape *t, encode_batch *b);

/* ---- encode_windows.c: long texts, window by window ---- */
/* Refuses what has no mean over windows. The taps are known. */
LB_MUST_USE lb_status encode_text_plan(const encode_job *j);
LB_MUST_USE lb_status encode_text_prepare(const encode_job *j, const lb_item *item, encode_sample *s);
/* Runs a batch's windows; fills `made` of its samples. */
LB_MUST_USE lb_status encode_text_run(const encode_job *j, lb_tape *t, encode_batch *b);
/* A window of a sample, as a row of a run. */
typedef struct encode_row {
    encode_sample *s;
    int64_t window;
} encode_row;
/* The windows of a batch's good samples, in order; the caller frees them. NULL: out of memory. */
encode_row *encode_rows(const encode_batch *b, int64_t *n);
/* ids and mask [n,L] of n rows of tokens, L the longest, or what the network always takes. Both are new. */
LB_MUST_USE lb_status encode_text_tensors(const encode_job *j, int64_t n, const int64_t *const *rows, const int64_t *counts, lb_tensor **ids, lb_tensor **mask);

/* ---- encode_precision.c ---- */
/* A tape for the network's runs: no gradient, the spec's precision. */
LB_MUST_USE lb_status encode_tape(lb_tape **out, const encode_job *j);
/* lb_model_run of the job's network. The first time in another precision than f32 it is also run in f32, and the cosine of each tap is said. */
void encode_network(const encode_job *j, lb_tape *t, int nin, const lb_named *in, int ntaps, const char *const *taps, lb_tensor **out);

const lb_item *encode_item(const encode_job *j, int64_t i); /* NULL when items come from a feature file */
/* Which inputs the taps need, the size of pictures, and the taps' shapes. */
LB_MUST_USE lb_status encode_plan(encode_job *j);
/* ---- encode_frames.c: frames of a video ---- */
LB_MUST_USE lb_status encode_frames_plan(encode_job *j);
LB_MUST_USE lb_status encode_frames_prepare(const encode_job *j, const lb_item *item, encode_sample *s);
/* ---- encode_views.c: augmented pictures of one item ---- */
LB_MUST_USE lb_status encode_views_plan(encode_job *j);
LB_MUST_USE lb_status encode_views_prepare(const encode_job *j, const lb_item *item, encode_sample *s);
/* What the draws come from, for the fingerprint. */
void encode_views_text(lb_buf *out, const cli_encode_spec *s);

/* Work of a decoding thread: item i, as an encode_sample (also for one that failed). */
lb_status encode_prepare(void *ctx, int64_t i, void **result);
void encode_drop(void *ctx, void *result);
int64_t encode_held(void *ctx, const void *result); /* bytes of a sample */
/* Tensors for samples a..b-1 of a batch, whose pictures are of one size. A failed sample's slot holds zeros (a lone padding token), so
 * that the values of the others do not depend on it. Cached features are read here; a row that is missing fails its sample. */
LB_MUST_USE lb_status encode_inputs(const encode_job *j, encode_batch *b, int64_t from, int64_t to);
void encode_inputs_free(encode_batch *b);

#endif
