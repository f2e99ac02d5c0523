/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/reader.h"
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/utf8.h"
#include "datasets/items_state.h"
#include "io/uri.h"

static const size_t kept_bytes = (size_t)1 << 30; /* of volumes whose slices are asked */

typedef lbi_items_state state;

/* What may be said of the pictures of any list. */
typedef struct decoding {
    const char *truncated, *orientation, *frames;
    int64_t jpeg_at_least;
} decoding;

static const lb_param decoding_params[] = {
    LB_PARAM_TEXT(decoding, truncated, "error", "error|partial", "a picture whose data end early is bad; or what there is of it is taken, the rest black or grey"),
    LB_PARAM_TEXT(decoding, orientation, "apply", "apply|keep", "pictures are turned as EXIF says; or stay as stored"),
    LB_PARAM_TEXT(decoding, frames, "first", "first|all", "of a file of several pictures (GIF, WebP, APNG, HEIC, pages of a TIFF) the first; or each, as an item of its own"),
    LB_PARAM(decoding, jpeg_at_least, 0, 0, 65536, "px", "fast: a JPEG that is resized may be decoded at 1/2, 1/4 or 1/8 while its shorter side keeps this; other pixels; 0 = off"),
    LB_PARAM_END};

/* ---- what a path is ---- */

bool lbi_is_utf8(const char *s, size_t n) { return lbi_utf8_valid((const uint8_t *)s, n); }

const char *lbi_kind_of(const char *path) {
    static const struct {
        const char *kind, *endings;
    } kinds[] = {{"image", " jpg jpeg jpe jfif png apng webp gif bmp tif tiff heic heif avif nii dib "},
                 {"video", " mp4 m4v mov mkv webm avi mpg mpeg wmv ts mts 3gp ogv flv "},
                 {"audio", " wav flac mp3 ogg oga opus m4a aac wma aif aiff "},
                 {"text", " txt text "}};
    char word[16];
    const char *ending = lb_path_ending(path);
    size_t n = strlen(ending);
    if (n == 0 || n + 3 > sizeof word) return NULL;
    snprintf(word, sizeof word, " %s ", ending);
    for (char *p = word; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p + 32);
    for (size_t i = 0; i < LB_COUNT(kinds); i++)
        if (strstr(kinds[i].endings, word)) return kinds[i].kind;
    return NULL;
}

/* ---- opening ---- */

static lb_status no_reader(const char *path) {
    const char *names[64];
    int count = 0;
    for (; count < lb_readers.count && count < 64; count++) names[count] = lb_readers.members[count]->id;
    if (lb_file_exists(path)) return lb_fail(LB_E_UNSUPPORTED, "%s: no reader knows what this is", path);
    lb_buf near = {0};
    lb_nearest(&near, path, names, count);
    lb_status st = lb_fail(LB_E_NOTFOUND, "%s: no such file or folder, and no reader of that name%s", path, lb_buf_str(&near));
    lb_buf_free(&near);
    return st;
}

static lb_status choose(const lb_reader **out, const char *path, const char *name) {
    int most = 0;
    if (name && *name) {
        const lb_head *found = NULL;
        lb_status st = lb_family_find(&found, &lb_readers, name);
        *out = (const lb_reader *)found;
        return st;
    }
    for (int i = 0; i < lb_readers.count; i++) {
        const lb_reader *r = (const lb_reader *)lb_readers.members[i];
        int score = r->probe(path);
        if (score > most) most = score, *out = r;
    }
    return most > 0 ? LB_OK : no_reader(path);
}

/* Every option must belong to a reader that is used. */
static lb_status check_options(const lb_value *options, const lb_reader *const *readers, int64_t count) {
    if (!options || options->kind == LB_V_NULL) return LB_OK;
    if (options->kind != LB_V_MAP) return lb_fail(LB_E_ARG, "reader options: expected a map");
    for (int64_t i = 0; i < options->count; i++) {
        bool known = false;
        for (int64_t k = 0; k < count; k++) known = known || lb_param_find(readers[k]->params, options->keys[i]);
        known = known || lb_param_find(decoding_params, options->keys[i]);
        const lb_param *row = NULL;
        if (known || count == 0) continue;
        lb_status st = lb_param_get(&row, readers[0]->params, options->keys[i]);
        return lb_where(st, "reader %s", readers[0]->id);
    }
    return LB_OK;
}

static lb_status own_options(lb_value **out, const lb_value *options, const lb_param *table) {
    lb_value *v = lb_value_map();
    if (!v) return LB_E_NOMEM;
    for (int64_t i = 0; options && options->kind == LB_V_MAP && i < options->count; i++)
        if (lb_param_find(table, options->keys[i])) lb_map_put(v, options->keys[i], lb_value_copy(options->items[i]));
    *out = v;
    if (v->failed) return lb_fail(LB_E_NOMEM, "no memory for reader options");
    return LB_OK;
}

static lb_status read_one(lb_items *items, const lb_reader *r, const char *path, const lb_value *options) {
    state *s = items->arena;
    lb_status st = LB_OK;
    lb_value *own = NULL;
    bool filled = false;
    void *cfg = lb_calloc(1, r->params_size ? r->params_size : 1);
    if (!cfg) return LB_E_NOMEM;
    s->input = lbi_items_text(items, path, strlen(path));
    if (!s->input) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(lbi_items_base(items, NULL));
    LB_TRY(own_options(&own, options, r->params));
    st = lb_params_from_value(r->params, cfg, own);
    if (st != LB_OK) {
        st = lb_where(st, "reader %s", r->id);
        goto done;
    }
    filled = true;
    LB_TRY(r->read(items, path, cfg));
    if (s->failed) st = lb_fail(LB_E_NOMEM, "%s: no memory for the list of problems", path);
done:
    if (filled) lb_params_free(r->params, cfg);
    lb_value_free(own);
    lb_free(cfg);
    return st;
}

/* Lists whose pictures are decoded otherwise are other lists. */
static lb_status read_decoding(state *s, const lb_value *options) {
    decoding d = {0};
    lb_value *own = NULL;
    lb_status st = own_options(&own, options, decoding_params);
    if (st == LB_OK) st = lb_params_from_value(decoding_params, &d, own);
    if (st == LB_OK) {
        s->decode = (lb_decode_options){.partial = strcmp(d.truncated, "partial") == 0, .keep_orientation = strcmp(d.orientation, "keep") == 0, .at_least = (int32_t)d.jpeg_at_least};
        s->frames = strcmp(d.frames, "all") == 0;
        if (s->decode.partial) lbi_hash_text(&s->hash, "truncated partial", 17);
        if (s->decode.keep_orientation) lbi_hash_text(&s->hash, "orientation keep", 16);
        if (s->decode.at_least) lb_sha256_add(&s->hash, &s->decode.at_least, sizeof s->decode.at_least);
        lb_params_free(decoding_params, &d);
    }
    lb_value_free(own);
    return st == LB_OK ? st : lb_where(st, "pictures");
}

lb_status lb_items_open(lb_items **out, int64_t ninputs, const char *const *inputs, const char *reader, const lb_value *options) {
    lb_status st = LB_OK;
    if (ninputs < 1) return lb_fail(LB_E_ARG, "no input to list");
    lb_items *items = lb_calloc(1, sizeof *items);
    state *s = items ? items->arena = lb_calloc(1, sizeof *s) : NULL;
    const lb_reader **readers = lb_calloc((size_t)ninputs, sizeof *readers);
    if (!s || !readers) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(lb_kept_new(&items->kept, kept_bytes));
    lb_sha256_init(&s->hash);
    for (int64_t i = 0; i < ninputs; i++) LB_TRY(choose(&readers[i], inputs[i], reader));
    LB_TRY(check_options(options, readers, ninputs));
    LB_TRY(read_decoding(s, options));
    for (int64_t i = 0; i < ninputs; i++) LB_TRY(read_one(items, readers[i], inputs[i], options));
    lb_sha256_hex(&s->hash, items->sha256);
    *out = items;
    items = NULL;
done:
    lb_free(readers);
    lb_items_free(items);
    return st;
}
