/* SPDX-License-Identifier: Apache-2.0 */
#include "io/uri_frames.h"
#include <pthread.h>
#include <string.h>

enum { OPEN_MOST = 4, LAST = 8, LARGE = 16 << 20 };

typedef struct animation {
    char *name; /* the uri without its frame; NULL: free */
    lb_decode_options how;
    lb_mmap map;
    const lb_decoder *decoder;
    void *state;
    int64_t next; /* the frame behind the last one that was decoded */
    lb_image last[LAST]; /* frame i in last[i % LAST] */
    int64_t index[LAST]; /* which frame that is; pixels NULL: none */
    uint64_t used;
} animation;

struct lbi_frames {
    pthread_mutex_t lock;
    uint64_t clock;
    animation at[OPEN_MOST];
};

lb_status lbi_frames_new(lbi_frames **out) {
    lbi_frames *f = lb_calloc(1, sizeof *f);
    if (!f) return LB_E_NOMEM;
    pthread_mutex_init(&f->lock, NULL);
    *out = f;
    return LB_OK;
}

static void shut(animation *a) {
    if (a->decoder) a->decoder->end(a->state);
    for (int i = 0; i < LAST; i++) lb_image_free(&a->last[i]);
    lb_mmap_close(&a->map);
    lb_free(a->name);
    *a = (animation){0};
}

void lbi_frames_free(lbi_frames *f) {
    if (!f) return;
    for (int i = 0; i < OPEN_MOST; i++) shut(&f->at[i]);
    pthread_mutex_destroy(&f->lock);
    lb_free(f);
}

static bool same_way(const lb_decode_options *a, const lb_decode_options *b) {
    return a->max_pixels == b->max_pixels && a->keep_orientation == b->keep_orientation && a->partial == b->partial && a->keep_depth == b->keep_depth && a->keep_palette == b->keep_palette;
}

static animation *find(lbi_frames *f, const char *name, size_t length, const lb_decode_options *o) {
    for (int i = 0; i < OPEN_MOST; i++) {
        animation *a = &f->at[i];
        if (a->name && strncmp(a->name, name, length) == 0 && !a->name[length] && same_way(&a->how, o)) return a;
    }
    return NULL;
}

static animation *least_used(lbi_frames *f) {
    animation *best = &f->at[0];
    for (int i = 1; i < OPEN_MOST; i++)
        if (f->at[i].used < best->used) best = &f->at[i];
    return best;
}

/* *out NULL: the decoder has no way to go from picture to picture. */
static lb_status open_one(animation **out, lbi_frames *f, lb_mmap *m, const lb_decoder *d, const char *name, size_t length, const lb_decode_options *o) {
    if (!d->begin) return LB_OK;
    animation *a = least_used(f);
    shut(a);
    lb_status st = d->begin(&a->state, m->data, m->size);
    if (st == LB_OK && !(a->name = lb_strndup(name, length))) st = LB_E_NOMEM;
    if (st != LB_OK) {
        d->end(a->state);
        *a = (animation){0};
        return st;
    }
    a->decoder = d;
    a->how = *o;
    a->map = *m;
    *m = (lb_mmap){0};
    *out = a;
    return LB_OK;
}

static size_t bytes_of(const lb_image *img) { return (size_t)img->width * (size_t)img->height * (size_t)img->channels * (size_t)(img->bits / 8); }

static lb_status copy(lb_image *out, const lb_image *in) {
    lb_image img = {0};
    lb_status st = lb_image_new(&img, in->width, in->height, in->channels, in->bits);
    if (st != LB_OK) return st;
    memcpy(img.pixels, in->pixels, bytes_of(in));
    *out = img;
    return LB_OK;
}

/* Those between the last one and this are kept too, where they are few: somebody is about to ask for them. */
static lb_status picture(lb_image *out, animation *a, int64_t i) {
    lb_image *slot = &a->last[i % LAST];
    if (slot->pixels && a->index[i % LAST] == i) return copy(out, slot);
    for (int64_t k = i >= a->next && i - a->next < LAST ? a->next : i; k <= i; k++) {
        lb_decode_options o = a->how;
        lb_image img = {0};
        o.frame = k;
        lb_status st = a->decoder->at(&img, a->state, &o);
        if (st != LB_OK) return st;
        a->next = k + 1;
        if (bytes_of(&img) <= LARGE) {
            lb_image_free(&a->last[k % LAST]);
            a->last[k % LAST] = img;
            a->index[k % LAST] = k;
        } else if (k < i) lb_image_free(&img);
        else {
            *out = img;
            return LB_OK;
        }
    }
    return copy(out, slot);
}

lb_status lbi_frames_picture(lb_image *out, lbi_frames *f, const lb_decoder *d, lb_mmap *m, const char *uri, const lb_decode_options *o) {
    size_t length = (size_t)(strrchr(uri, '#') - uri);
    lb_status st = LB_OK;
    pthread_mutex_lock(&f->lock);
    animation *a = find(f, uri, length, o);
    if (!a) st = open_one(&a, f, m, d, uri, length, o);
    if (st == LB_OK && a) {
        a->used = ++f->clock;
        st = picture(out, a, o->frame);
    }
    pthread_mutex_unlock(&f->lock);
    return st != LB_OK || a ? st : d->decode(out, m->data, m->size, o);
}
