/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck cache export`: features for other programs; items that failed are left out.
 *   npy            <tap>.npy, <tap>.offsets.npy for taps of varying length, keys.jsonl
 *   npz            features.npz with all of these and keys
 *   safetensors    features.safetensors, keys.jsonl
 *   clip-retrieval img_emb/img_emb_0.npy, text_emb/text_emb_0.npy, metadata/metadata_0.csv (names of clip-retrieval's writer)
 *   tinyvit        logits_top<K>_epoch<E>/rank0-keys.txt, rank0-values.bin: per item i32 seed, K x i16 class, K x f16 probability
 *                  (TinyViT's layout; arXiv:2207.10666) */
#include <archive.h>
#include <archive_entry.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "cli/cache_arrays.h"
#include "cli/npy.h"
#include "io/weights.h"

typedef struct job {
    cli_exporter e;
    const char *folder;
    const cli_cache_options *o;
    cli_array array;
} job;

/* ---- .npy ---- */

static lb_status fill_npy(void *ctx, const cli_sink *to) {
    job *j = ctx;
    return cli_array_write(&j->e, &j->array, true, to);
}

static lb_status write_npy(job *j, cli_array_kind kind, int tap, const char *name) {
    lb_status st = cli_array_of(&j->array, &j->e, kind, tap);
    char *path = st == LB_OK ? lb_format_dup("%s/%s.npy", j->folder, name ? name : j->array.name) : NULL;
    if (st == LB_OK) st = path ? cli_write_file(path, fill_npy, j) : LB_E_NOMEM;
    lb_free(path);
    return st;
}

static lb_status write_keys(job *j) {
    lb_buf text = {0};
    lb_status st = LB_OK;
    char *path = lb_path_join(j->folder, "keys.jsonl");
    for (int64_t i = 0; i < j->e.count && st == LB_OK; i++) {
        lb_value *v = lb_value_map();
        lb_map_text(v, "key", lb_cache_key(j->e.c, j->e.rows[i]));
        st = lb_json_write(&text, v, 0);
        lb_buf_text(&text, "\n");
        lb_value_free(v);
    }
    if (st == LB_OK) st = lb_buf_status(&text);
    if (st == LB_OK) st = path ? lb_file_write(path, text.data, text.size) : LB_E_NOMEM;
    lb_buf_free(&text);
    lb_free(path);
    return st;
}

static lb_status as_npy(job *j) {
    lb_status st = LB_OK;
    for (int t = 0; t < lb_cache_taps(j->e.c); t++) {
        LB_TRY(write_npy(j, CLI_ARRAY_TAP, t, NULL));
        if (lb_cache_tap_at(j->e.c, t)->ragged) LB_TRY(write_npy(j, CLI_ARRAY_OFFSETS, t, NULL));
    }
    LB_TRY(write_keys(j));
done:
    return st;
}

/* ---- .npz: a ZIP archive of .npy files, stored ---- */

static lb_status put_archive(void *to, const void *bytes, size_t size) {
    return archive_write_data(to, bytes, size) == (la_ssize_t)size ? LB_OK : lb_fail(LB_E_IO, "%s", archive_error_string(to));
}

static la_ssize_t give(struct archive *a, void *ctx, const void *bytes, size_t size) {
    const cli_sink *to = ctx;
    (void)a;
    return to->put(to->to, bytes, size) == LB_OK ? (la_ssize_t)size : -1;
}

static lb_status add_entry(job *j, struct archive *a, cli_array_kind kind, int tap) {
    lb_buf head = {0};
    char name[160];
    lb_status st = cli_array_of(&j->array, &j->e, kind, tap);
    struct archive_entry *entry = archive_entry_new();
    if (st == LB_OK) cli_npy_head(&head, j->array.descr, j->array.rank, j->array.shape);
    snprintf(name, sizeof name, "%s.npy", j->array.name);
    if (st == LB_OK) st = entry ? lb_buf_status(&head) : LB_E_NOMEM;
    if (st == LB_OK) {
        archive_entry_set_pathname(entry, name);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_mtime(entry, 315532800, 0); /* 1980, the first that ZIP knows: equal content is an equal file */
        archive_entry_set_size(entry, (int64_t)head.size + cli_array_bytes(&j->array));
        st = archive_write_header(a, entry) == ARCHIVE_OK ? cli_array_write(&j->e, &j->array, true, &(cli_sink){put_archive, a}) : lb_fail(LB_E_IO, "%s", archive_error_string(a));
    }
    archive_entry_free(entry);
    lb_buf_free(&head);
    return st;
}

static lb_status fill_npz(void *ctx, const cli_sink *to) {
    job *j = ctx;
    lb_status st = LB_OK;
    struct archive *a = archive_write_new();
    if (!a) return LB_E_NOMEM;
    archive_write_set_format_zip(a);
    archive_write_zip_set_compression_store(a);
    archive_write_set_bytes_in_last_block(a, 1);
    if (archive_write_open(a, (void *)(uintptr_t)to, NULL, give, NULL) != ARCHIVE_OK) st = lb_fail(LB_E_IO, "%s", archive_error_string(a));
    if (st == LB_OK) st = add_entry(j, a, CLI_ARRAY_KEYS, 0);
    for (int t = 0; t < lb_cache_taps(j->e.c) && st == LB_OK; t++) {
        st = add_entry(j, a, CLI_ARRAY_TAP, t);
        if (st == LB_OK && lb_cache_tap_at(j->e.c, t)->ragged) st = add_entry(j, a, CLI_ARRAY_OFFSETS, t);
    }
    if (archive_write_close(a) != ARCHIVE_OK && st == LB_OK) st = lb_fail(LB_E_IO, "%s", archive_error_string(a));
    archive_write_free(a);
    return st;
}

static lb_status as_npz(job *j) {
    char *path = lb_path_join(j->folder, "features.npz");
    lb_status st = path ? cli_write_file(path, fill_npz, j) : LB_E_NOMEM;
    lb_free(path);
    return st;
}

/* ---- safetensors: its writer wants whole tensors ---- */

static lb_status put_memory(void *to, const void *bytes, size_t size) {
    char **at = to;
    memcpy(*at, bytes, size);
    *at += size;
    return LB_OK;
}

static lb_status add_tensor(job *j, cli_array_kind kind, int tap, char **name, lb_tensor **x) {
    lb_status st = cli_array_of(&j->array, &j->e, kind, tap);
    if (st == LB_OK) st = lb_tensor_new(x, kind == CLI_ARRAY_OFFSETS ? LB_I64 : LB_F32, j->array.rank, j->array.shape);
    if (st != LB_OK) return st;
    char *at = (*x)->data;
    st = cli_array_write(&j->e, &j->array, false, &(cli_sink){put_memory, &at});
    if (st == LB_OK && !(*name = lb_strdup(j->array.name))) st = LB_E_NOMEM;
    return st;
}

static lb_status as_safetensors(job *j) {
    lb_status st = LB_OK;
    char *names[2 * CLI_ENCODE_TAPS] = {0}, *path = lb_path_join(j->folder, "features.safetensors");
    lb_tensor *tensors[2 * CLI_ENCODE_TAPS] = {0};
    int64_t n = 0;
    if (!path) return LB_E_NOMEM;
    for (int t = 0; t < lb_cache_taps(j->e.c); t++, n++) {
        LB_TRY(add_tensor(j, CLI_ARRAY_TAP, t, &names[n], &tensors[n]));
        if (!lb_cache_tap_at(j->e.c, t)->ragged) continue;
        n++;
        LB_TRY(add_tensor(j, CLI_ARRAY_OFFSETS, t, &names[n], &tensors[n]));
    }
    LB_TRY(lb_safetensors_write(path, n, (const char *const *)names, (const lb_tensor *const *)tensors, NULL));
    LB_TRY(write_keys(j));
done:
    for (size_t i = 0; i < LB_COUNT(names); i++) {
        lb_free(names[i]);
        lb_tensor_free(tensors[i]);
    }
    lb_free(path);
    return st;
}

/* ---- clip-retrieval ---- */

static lb_status write_csv(job *j) {
    lb_buf text = {0};
    char *path = lb_path_join(j->folder, "metadata/metadata_0.csv");
    lb_buf_text(&text, "key\n");
    for (int64_t i = 0; i < j->e.count; i++) {
        lb_buf_text(&text, "\"");
        for (const char *k = lb_cache_key(j->e.c, j->e.rows[i]); *k; k++) lb_buf_format(&text, *k == '"' ? "\"\"" : "%c", *k);
        lb_buf_text(&text, "\"\n");
    }
    lb_status st = lb_buf_status(&text);
    if (st == LB_OK) st = path ? lb_file_write(path, text.data, text.size) : LB_E_NOMEM;
    lb_buf_free(&text);
    lb_free(path);
    return st;
}

static lb_status as_clip_retrieval(job *j) {
    static const char *const kinds[] = {"img_emb", "text_emb"};
    lb_status st = LB_OK;
    bool taken[2] = {false, false};
    char name[64], *folder = NULL;
    for (int t = 0; t < lb_cache_taps(j->e.c); t++) {
        const lb_cache_tap *tap = lb_cache_tap_at(j->e.c, t);
        int kind = strncmp(tap->name, "text", 4) == 0;
        if (tap->ragged || tap->rank != 1 || taken[kind]) {
            lb_say(LB_LOG_WARN, "export", "tap '%s' is no embedding of its own kind and is left out", tap->name);
            continue;
        }
        taken[kind] = true;
        lb_free(folder);
        if (!(folder = lb_path_join(j->folder, kinds[kind]))) return LB_E_NOMEM;
        LB_TRY(lb_make_folders(folder));
        snprintf(name, sizeof name, "%s/%s_0", kinds[kind], kinds[kind]);
        LB_TRY(write_npy(j, CLI_ARRAY_TAP, t, name));
    }
    lb_free(folder);
    if (!(folder = lb_path_join(j->folder, "metadata"))) return LB_E_NOMEM;
    LB_TRY(lb_make_folders(folder));
    LB_TRY(write_csv(j));
done:
    lb_free(folder);
    return st;
}

/* ---- TinyViT ---- */

typedef struct scored {
    float logit;
    int64_t index;
} scored;

static int by_logit(const void *a, const void *b) {
    const scored *x = a, *y = b;
    return x->logit > y->logit ? -1 : x->logit < y->logit ? 1 : x->index < y->index ? -1 : x->index > y->index;
}

static int64_t largest(const cli_cache_options *o) { return o->encode.topk ? o->encode.topk : 100; }

/* Softmax of the row, its K largest. */
static lb_status put_largest(const cli_sink *to, const float *logits, int64_t n, int64_t k, scored *order, uint16_t *record) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) order[i] = (scored){logits[i], i};
    qsort(order, (size_t)n, sizeof *order, by_logit);
    for (int64_t i = 0; i < n; i++) sum += exp((double)order[i].logit - (double)order[0].logit);
    record[0] = record[1] = 0; /* the seed: features are of pictures as they are */
    for (int64_t i = 0; i < k; i++) {
        float p = (float)(exp((double)order[i].logit - (double)order[0].logit) / sum);
        record[2 + i] = (uint16_t)order[i].index;
        lb_convert(&record[2 + k + i], LB_F16, &p, LB_F32, 1);
    }
    return to->put(to->to, record, (size_t)(2 + 2 * k) * sizeof *record);
}

static lb_status fill_values(void *ctx, const cli_sink *to) {
    job *j = ctx;
    int64_t n = j->array.width, k = largest(j->o);
    float *row = lb_alloc((size_t)n, sizeof *row);
    scored *order = lb_alloc((size_t)n, sizeof *order);
    uint16_t *record = lb_alloc((size_t)(2 + 2 * k), sizeof *record);
    lb_status st = row && order && record ? LB_OK : LB_E_NOMEM;
    for (int64_t i = 0; i < j->e.count && st == LB_OK; i++) {
        st = lb_cache_read(j->e.c, j->array.tap, 1, &j->e.rows[i], row);
        if (st == LB_OK) st = put_largest(to, row, n, k, order, record);
    }
    lb_free(row);
    lb_free(order);
    lb_free(record);
    return st;
}

static lb_status fill_key_lines(void *ctx, const cli_sink *to) {
    job *j = ctx;
    lb_status st = LB_OK;
    for (int64_t i = 0; i < j->e.count && st == LB_OK; i++) {
        const char *key = lb_cache_key(j->e.c, j->e.rows[i]);
        if (strpbrk(key, "\r\n")) return lb_fail(LB_E_UNSUPPORTED, "the key of item %lld holds a line end", (long long)j->e.rows[i]);
        st = to->put(to->to, key, strlen(key));
        if (st == LB_OK) st = to->put(to->to, "\n", 1);
    }
    return st;
}

static lb_status as_tinyvit(job *j) {
    lb_status st = LB_OK;
    const char *name = j->o->encode.taps ? j->o->encode.taps : "logits";
    int tap = lb_cache_tap_find(j->e.c, name);
    const lb_cache_tap *t = lb_cache_tap_at(j->e.c, tap);
    char *folder = lb_format_dup("%s/logits_top%lld_epoch%lld", j->folder, (long long)largest(j->o), (long long)j->o->epoch), *keys = NULL, *values = NULL;
    if (!folder) return LB_E_NOMEM;
    if (!t || t->ragged || t->rank != 1) st = lb_fail(LB_E_NOTFOUND, "no tap '%s' of one row of logits (--taps names another)", name);
    else if (largest(j->o) > t->shape[0] || t->shape[0] > 32767) st = lb_fail(LB_E_LIMIT, "tap '%s' has %lld classes: want %lld to 32767", name, (long long)t->shape[0], (long long)largest(j->o));
    if (st != LB_OK) goto done;
    LB_TRY(cli_array_of(&j->array, &j->e, CLI_ARRAY_TAP, tap));
    LB_TRY(lb_make_folders(folder));
    keys = lb_path_join(folder, "rank0-keys.txt");
    values = lb_path_join(folder, "rank0-values.bin");
    if (!keys || !values) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(cli_write_file(values, fill_values, j));
    LB_TRY(cli_write_file(keys, fill_key_lines, j));
done:
    lb_free(folder);
    lb_free(keys);
    lb_free(values);
    return st;
}

/* ---- the verb ---- */

lb_status cli_cache_export(lb_cli *cli, const char *from, const cli_cache_options *o) {
    static const struct {
        const char *name;
        lb_status (*write)(job *j);
    } formats[] = {{"npy", as_npy}, {"npz", as_npz}, {"safetensors", as_safetensors}, {"clip-retrieval", as_clip_retrieval}, {"tinyvit", as_tinyvit}};
    job j = {.folder = o->encode.out, .o = o};
    if (!o->encode.out) return cli_usage("--out is missing: a folder");
    lb_status st = cli_exporter_open(&j.e, from);
    if (st == LB_OK && lb_cache_taps(j.e.c) > CLI_ENCODE_TAPS) st = lb_fail(LB_E_LIMIT, "%s: more than %d taps", from, CLI_ENCODE_TAPS);
    if (st == LB_OK) st = lb_make_folders(o->encode.out);
    for (size_t i = 0; st == LB_OK && i < LB_COUNT(formats); i++)
        if (strcmp(formats[i].name, o->format) == 0) st = formats[i].write(&j);
    if (st == LB_OK && !cli->json) st = cli_print("%s: %lld rows", o->encode.out, (long long)j.e.count);
    cli_exporter_close(&j.e);
    return st;
}
