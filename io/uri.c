/* SPDX-License-Identifier: Apache-2.0 */
#include "io/uri.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "io/decoder_private.h"
#include "io/image.h"
#include "io/npz.h"
#include "io/uri_files.h"
#include "io/uri_frames.h"
#include "io/volume.h"

enum { SLOTS = 8 };
static const size_t array_limit = (size_t)8 << 30;

/* ---- parsing ---- */

static bool read_number(int64_t *out, const char **p) {
    if (**p < '0' || **p > '9') return false;
    char *end = NULL;
    *out = strtoll(*p, &end, 10);
    *p = end;
    return true;
}

/* Does the text end in "#frame=2"? Where that begins; NULL: it does not. */
static const char *parse_frame(lb_uri *u, const char *text) {
    static const char word[] = "#frame=";
    const char *at = strrchr(text, '#'), *p = at;
    if (!at || strncmp(at, word, sizeof word - 1) != 0) return NULL;
    p += sizeof word - 1;
    if (!read_number(&u->frame, &p) || *p) return NULL;
    u->framed = true;
    return at;
}

/* "1536+20345" or "1536+20345/name", with "#frame=2" */
static bool parse_part(lb_uri *u, const char *p) {
    if (!read_number(&u->offset, &p) || *p++ != '+' || !read_number(&u->size, &p) || (*p && *p != '/' && *p != '#')) return false;
    const char *frame = parse_frame(u, p);
    if (*p == '#' && frame != p) return false;
    u->kind = LB_URI_PART;
    u->name = *p == '/' ? p + 1 : "";
    return true;
}

/* "k=12" or "k=12@3" */
static bool parse_slice(lb_uri *u, const char *p) {
    static const char axes[] = "kji";
    const char *axis = *p ? strchr(axes, *p) : NULL;
    if (!axis || *++p != '=') return false;
    p++;
    if (!read_number(&u->index, &p) || (*p && *p != '@')) return false;
    if (*p == '@' && (p++, !read_number(&u->volume, &p) || *p)) return false;
    u->kind = LB_URI_SLICE;
    u->axis = (int)(axis - axes);
    return true;
}

/* "name" or "name@12" */
static bool parse_array(lb_uri *u, char *p) {
    char *at = strrchr(p, '@');
    const char *number = at ? at + 1 : NULL;
    u->index = -1;
    if (!*p || at == p || (number && (!read_number(&u->index, &number) || *number))) return false;
    if (at) *at = 0;
    u->kind = LB_URI_ARRAY;
    u->name = p;
    return true;
}

lb_status lb_uri_parse(lb_uri *out, const char *uri) {
    char *path = lb_strdup(uri);
    if (!path) return LB_E_NOMEM;
    *out = (lb_uri){.path = path};
    if (!strchr(path, '#') || lb_file_exists(path)) return LB_OK;
    for (char *hash = strchr(path, '#'); hash; hash = strchr(hash + 1, '#')) {
        lb_uri u = {.path = path};
        *hash = 0;
        if (parse_part(&u, hash + 1) || parse_slice(&u, hash + 1) || (lb_ends_with(path, ".npz") && parse_array(&u, hash + 1))) {
            *out = u;
            return LB_OK;
        }
        *hash = '#';
    }
    const char *frame = parse_frame(out, path);
    if (frame) path[frame - path] = 0;
    return LB_OK;
}

void lb_uri_free(lb_uri *u) {
    lb_free(u->path);
    *u = (lb_uri){0};
}

bool lb_uri_exists(const char *uri) {
    lb_uri u = {0};
    if (!strchr(uri, '#')) return lb_file_exists(uri);
    bool there = lb_uri_parse(&u, uri) == LB_OK && lb_file_exists(u.path);
    lb_uri_free(&u);
    return there;
}

void lb_uri_ahead(const char *uri) {
    enum { MOST = 8 << 20 };
    lb_uri u = {0};
    int fd = lb_uri_parse(&u, uri) == LB_OK && u.kind <= LB_URI_PART ? open(u.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd >= 0) {
        (void)posix_fadvise(fd, u.offset, u.kind == LB_URI_PART && u.size < MOST ? u.size : MOST, POSIX_FADV_WILLNEED);
        close(fd);
    }
    lb_uri_free(&u);
    lb_error_clear();
}

/* ---- what is kept ---- */

/* An array or a volume decoded whole. */
typedef struct whole {
    char *key;
    lb_volume volume;
    lbi_array array;
    uint8_t *memory;
    size_t bytes;
    int users;
    uint64_t used;
} whole;

struct lb_kept {
    lbi_files *files;
    pthread_mutex_t lock;
    lbi_frames *frames;
    size_t limit;
    uint64_t clock;
    whole *at[SLOTS];
};

static lb_status map(lb_mmap *out, const lb_uri *u, lb_kept *kept) {
    if (u->kind == LB_URI_PART && kept) return lbi_files_read(out, kept->files, u->path, strlen(u->path), u->offset, u->size);
    return u->kind == LB_URI_PART ? lb_mmap_part(out, u->path, u->offset, u->size) : lb_mmap_open(out, u->path);
}

static bool is_whole(const lb_uri *u) { return u->kind == LB_URI_ARRAY || u->kind == LB_URI_SLICE; }

/* Parses, and gives the bytes of a file or part; none yet of an array or slice. */
static lb_status take_bytes(lb_mmap *out, lb_uri *u, const char *uri, lb_kept *kept) {
    const char *hash = kept ? strchr(uri, '#') : NULL;
    size_t length = hash ? (size_t)(hash - uri) : 0;
    /* a member of an archive that is open: nobody need ask the system whether a file of the whole name is there */
    if (hash && parse_part(u, hash + 1) && lbi_files_know(kept->files, uri, length)) return lbi_files_read(out, kept->files, uri, length, u->offset, u->size);
    *u = (lb_uri){0};
    lb_status st = lb_uri_parse(u, uri);
    return st != LB_OK || is_whole(u) ? st : map(out, u, kept);
}

lb_status lb_uri_bytes(lb_mmap *out, const char *uri, lb_kept *kept) {
    lb_uri u = {0};
    lb_mmap m = {0};
    if (!strchr(uri, '#')) return lb_mmap_open(out, uri);
    lb_status st = take_bytes(&m, &u, uri, kept);
    if (st == LB_OK && is_whole(&u)) st = map(&m, &u, NULL);
    if (st == LB_OK) *out = m;
    lb_uri_free(&u);
    return st;
}

lb_status lb_uri_map(lb_mmap *out, const char *uri) { return lb_uri_bytes(out, uri, NULL); }

static void free_whole(whole *w) {
    if (!w) return;
    lb_volume_free(&w->volume);
    lb_free(w->memory);
    lb_free(w->key);
    lb_free(w);
}

lb_status lb_kept_new(lb_kept **out, size_t bytes) {
    lb_kept *k = lb_calloc(1, sizeof *k);
    if (!k) return LB_E_NOMEM;
    k->limit = bytes;
    pthread_mutex_init(&k->lock, NULL);
    lb_status st = lbi_files_new(&k->files);
    if (st == LB_OK) st = lbi_frames_new(&k->frames);
    if (st == LB_OK) *out = k;
    else lb_kept_free(k);
    return st;
}

void lb_kept_free(lb_kept *k) {
    if (!k) return;
    for (int i = 0; i < SLOTS; i++) free_whole(k->at[i]);
    lbi_files_free(k->files);
    lbi_frames_free(k->frames);
    pthread_mutex_destroy(&k->lock);
    lb_free(k);
}

static lb_status load_array(whole *w, const lb_uri *u) {
    lb_mmap m = {0};
    lbi_zip z = {0};
    lb_status st = lb_mmap_open(&m, u->path);
    if (st != LB_OK) return st;
    st = lbi_zip_open(&z, m.data, m.size);
    if (st == LB_OK) st = lbi_npz_read(&w->array, &w->memory, &z, u->name, array_limit);
    lbi_zip_close(&z);
    lb_mmap_close(&m);
    w->bytes = w->array.head.bytes;
    return st == LB_OK ? st : lb_where(st, "%s", u->path);
}

static lb_status load(whole **out, const lb_uri *u, const char *key) {
    whole *w = lb_calloc(1, sizeof *w);
    if (!w) return LB_E_NOMEM;
    lb_status st = (w->key = lb_strdup(key)) ? LB_OK : LB_E_NOMEM;
    if (st == LB_OK && u->kind == LB_URI_ARRAY) st = load_array(w, u);
    else if (st == LB_OK) {
        st = lb_volume_read(&w->volume, u->path, u->volume, 0);
        w->bytes = (size_t)(w->volume.width * w->volume.height * w->volume.depth) * sizeof(float);
    }
    if (st == LB_OK) *out = w;
    else free_whole(w);
    return st;
}

/* The one least used that nobody holds makes room; NULL: all are held. */
static whole **victim(lb_kept *k) {
    whole **best = NULL;
    for (int i = 0; i < SLOTS; i++) {
        if (!k->at[i]) return &k->at[i];
        if (k->at[i]->users == 0 && (!best || k->at[i]->used < (*best)->used)) best = &k->at[i];
    }
    return best;
}

static size_t held(const lb_kept *k) {
    size_t bytes = 0;
    for (int i = 0; i < SLOTS; i++) bytes += k->at[i] ? k->at[i]->bytes : 0;
    return bytes;
}

static void insert(lb_kept *k, whole *w) {
    for (whole **at = victim(k); at; at = victim(k)) {
        free_whole(*at);
        *at = NULL;
        if (held(k) + w->bytes > k->limit && held(k) > 0) continue;
        *at = w;
        return;
    }
}

static bool is_kept(const lb_kept *k, const whole *w) {
    for (int i = 0; k && i < SLOTS; i++)
        if (k->at[i] == w) return true;
    return false;
}

/* Decoding happens under the lock: whoever waits mostly waits for the same file. */
static lb_status take_whole(whole **out, lb_kept *k, const lb_uri *u) {
    char *key = lb_format_dup("%s#%s@%lld", u->path, u->name ? u->name : "", (long long)u->volume);
    if (!key) return LB_E_NOMEM;
    lb_status st = LB_OK;
    whole *w = NULL;
    if (k) pthread_mutex_lock(&k->lock);
    for (int i = 0; k && i < SLOTS && !w; i++)
        if (k->at[i] && strcmp(k->at[i]->key, key) == 0) w = k->at[i];
    if (!w) st = load(&w, u, key);
    if (st == LB_OK) {
        w->users++;
        if (k) w->used = ++k->clock;
        if (k && !is_kept(k, w)) insert(k, w);
        *out = w;
    }
    if (k) pthread_mutex_unlock(&k->lock);
    lb_free(key);
    return st;
}

static void give_back(lb_kept *k, whole *w) {
    if (!w) return;
    if (k) pthread_mutex_lock(&k->lock);
    bool gone = --w->users == 0 && !is_kept(k, w);
    if (k) pthread_mutex_unlock(&k->lock);
    if (gone) free_whole(w);
}

/* ---- pictures ---- */

static lb_status from_whole(lb_image *out, const lb_uri *u, const lb_decode_options *o, lb_kept *kept, bool labels) {
    whole *w = NULL;
    lb_status st = take_whole(&w, kept, u);
    if (st != LB_OK) return st;
    int64_t most = o ? o->max_pixels : 0;
    if (u->kind == LB_URI_ARRAY) st = lbi_array_picture(out, &w->array, u->index, labels, most);
    else if (labels && (!w->volume.whole)) st = lb_fail(LB_E_UNSUPPORTED, "voxels that are no whole numbers are no labels");
    else st = lb_volume_slice(out, &w->volume, u->axis, u->index, labels && w->volume.most > 255 ? 16 : 8, 0, 0);
    give_back(kept, w);
    return st;
}

static lb_status in_channels(lb_image *out, lb_image *take_in, lb_status (*convert)(lb_image *out, const lb_image *in)) {
    lb_status st = convert(out, take_in);
    lb_image_free(take_in);
    return st;
}

/* The picture of a file or part in its own channels; one of several may stay open. */
static lb_status decode_own(lb_image *out, lb_mmap *m, const lb_uri *u, const char *uri, lb_decode_options *o, lb_kept *kept) {
    const lb_decoder *d = NULL;
    lb_status st = lb_decoder_for(&d, m->data, m->size, uri);
    if (st != LB_OK) return st;
    if (!d->decode) return lb_fail(LB_E_UNSUPPORTED, "%s: is %s, not a picture", uri, d->kind);
    if (u->framed) o->frame = u->frame;
    st = u->framed && kept ? lbi_frames_picture(out, kept->frames, d, m, uri, o) : d->decode(out, m->data, m->size, o);
    return st == LB_OK ? st : lb_where(st, "%s", uri);
}

static lb_status frame_rgb(lb_image *out, lb_mmap *m, const lb_uri *u, const char *uri, const lb_decode_options *o, lb_kept *kept) {
    lb_decode_options eight = o ? *o : (lb_decode_options){0};
    lb_image own = {0};
    eight.keep_depth = false;
    if (eight.fit) eight.fit->width = eight.fit->height = 0;
    lb_status st = decode_own(&own, m, u, uri, &eight, kept);
    if (st == LB_OK) st = lbi_image_rgb(&own, eight.fit);
    if (st == LB_OK) *out = own;
    else lb_image_free(&own);
    return st;
}

lb_status lb_uri_rgb(lb_image *out, const char *uri, const lb_decode_options *o, lb_kept *kept) {
    lb_uri u = {0};
    lb_mmap m = {0};
    lb_image own = {0};
    lb_status st = take_bytes(&m, &u, uri, kept);
    if (st == LB_OK && u.framed) st = frame_rgb(out, &m, &u, uri, o, kept);
    else if (st == LB_OK && !is_whole(&u)) st = lb_image_decode_rgb(out, m.data, m.size, uri, o);
    else if (st == LB_OK) {
        st = from_whole(&own, &u, o, kept, false);
        if (st == LB_OK) st = in_channels(out, &own, lb_image_to_rgb);
        if (st == LB_OK && o && o->fit) {
            o->fit->width = 0;
            if ((st = lb_image_fit(out, o->fit)) != LB_OK) lb_image_free(out);
        }
        if (st != LB_OK) st = lb_where(st, "%s", uri);
    }
    lb_mmap_close(&m);
    lb_uri_free(&u);
    return st;
}

/* Colours whose channels are equal are grey. */
static lb_status grey_labels(lb_image *out, const lb_image *in) {
    lb_image img = {0};
    int c = in->channels, colours = c >= 3 ? 3 : 1;
    lb_status st = lb_image_new(&img, in->width, in->height, 1, in->bits);
    if (st != LB_OK) return st;
    int64_t n = (int64_t)in->width * in->height;
    for (int64_t i = 0; i < n; i++) {
        uint16_t v[3];
        for (int k = 0; k < colours; k++) v[k] = in->bits == 16 ? ((const uint16_t *)in->pixels)[i * c + k] : ((const uint8_t *)in->pixels)[i * c + k];
        if (colours == 3 && (v[0] != v[1] || v[0] != v[2])) {
            lb_image_free(&img);
            return lb_fail(LB_E_UNSUPPORTED, "pixel (%lld, %lld) is the colour %d %d %d; a mask holds labels: grey values or palette indices",
                           (long long)(i % in->width), (long long)(i / in->width), v[0], v[1], v[2]);
        }
        if (in->bits == 16) ((uint16_t *)img.pixels)[i] = v[0];
        else ((uint8_t *)img.pixels)[i] = (uint8_t)v[0];
    }
    *out = img;
    return LB_OK;
}

static lb_status decode_labels(lb_image *out, lb_mmap *m, const lb_uri *u, const char *uri, const lb_decode_options *o, lb_kept *kept) {
    lb_image own = {0};
    lb_decode_options exact = o ? *o : (lb_decode_options){0};
    exact.keep_depth = exact.keep_palette = true;
    lb_status st = decode_own(&own, m, u, uri, &exact, kept);
    if (st == LB_OK && own.channels == 1) *out = own;
    else if (st == LB_OK && (st = in_channels(out, &own, grey_labels)) != LB_OK) st = lb_where(st, "%s", uri);
    return st;
}

lb_status lb_uri_labels(lb_image *out, const char *uri, const lb_decode_options *o, lb_kept *kept) {
    lb_uri u = {0};
    lb_mmap m = {0};
    lb_image own = {0};
    lb_status st = take_bytes(&m, &u, uri, kept);
    if (st == LB_OK && !is_whole(&u)) st = decode_labels(out, &m, &u, uri, o, kept);
    else if (st == LB_OK) {
        st = from_whole(&own, &u, o, kept, true);
        if (st == LB_OK && own.channels == 1) *out = own;
        else if (st == LB_OK) st = in_channels(out, &own, grey_labels);
        if (st != LB_OK) st = lb_where(st, "%s", uri);
    }
    lb_mmap_close(&m);
    lb_uri_free(&u);
    return st;
}
