/* SPDX-License-Identifier: Apache-2.0 */
/* Made data sets, a family: datasets/synths/<id>.c, one line in datasets/synths.def. Every pixel and word is a pure function of (seed, item), so a
 * set is the same on every machine and a larger one begins with the smaller one. */
#ifndef LB_DATASETS_SYNTH_H
#define LB_DATASETS_SYNTH_H
#include "base/progress.h"
#include "base/registry.h"
#include "base/rng.h"
#include "base/value.h"
#include "io/sample.h"
LB_BEGIN

/* Where a member puts its items: files below a folder, and list.jsonl. One thread at a time. */
typedef struct lb_synth_out lb_synth_out;

typedef struct lb_synth {
    LB_HEAD;
    int64_t (*count)(const void *cfg);
    /* What all items share, opened once; both NULL when there is nothing. */
    lb_status (*open)(void **state, const void *cfg);
    void (*close)(void *state);
    /* Makes item i with its generator and hands it over through lb_synth_picture and lb_synth_item. */
    lb_status (*make)(lb_synth_out *out, const void *cfg, int64_t i, lb_rng *rng);
} lb_synth;
#define LB_SYNTH(name) const lb_synth lb_synth_##name
extern LB_API const lb_family lb_synths;

/** For members: what `open` made. */
LB_API void *lb_synth_state(const lb_synth_out *out);
/** For members: writes a picture (u8) as PNG; `path` is relative to the set's folder. */
LB_API LB_MUST_USE lb_status lb_synth_picture(lb_synth_out *out, const lb_image *img, const char *path);
/** For members: one line of list.jsonl. take_item moves in. */
LB_API void lb_synth_item(lb_synth_out *out, lb_value *take_item);

/** Makes the whole set below `folder` (made when absent; files of the same names are replaced). options: the member's parameters, NULL =
 *  defaults. `damage` of the pictures, chosen by the seed, are spoiled: cut off, emptied, or text in place of a picture. list.jsonl is
 *  written last, by rename. LB_E_CANCELLED when the progress asks for a stop; the same call again makes the same set. */
LB_API LB_MUST_USE lb_status lb_synth_make(const lb_synth *s, const char *folder, const lb_value *options, uint64_t seed, double damage, lb_progress *progress, int64_t *count);

LB_END
#endif
