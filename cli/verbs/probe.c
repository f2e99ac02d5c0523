/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck probe FILE...`: what a file or folder is, and which readers know it. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "cli/cli.h"
#include "datasets/reader.h"
#include "io/cache.h"
#include "io/decoder.h"
#include "io/weights.h"

static void add_info(lb_value *v, const lb_media_info *info) {
    lb_map_text(v, "kind", info->kind);
    lb_map_text(v, "codec", info->codec);
    if (info->width > 0) {
        lb_map_int(v, "width", info->width);
        lb_map_int(v, "height", info->height);
    }
    if (info->channels > 0) lb_map_int(v, "channels", info->channels);
    if (info->bits > 0) lb_map_int(v, "bits", info->bits);
    if (info->orientation > 0) lb_map_int(v, "orientation", info->orientation);
    if (info->frames > 0) lb_map_int(v, "frames", info->frames);
    if (info->duration_s > 0) lb_map_real(v, "duration_s", info->duration_s);
    if (info->note[0]) lb_map_text(v, "note", info->note);
}

/* The surest first; those that do not know the path are left out. */
static void add_readers(lb_value *v, const char *path) {
    lb_value *list = lb_value_list();
    for (int sure = 100; sure > 0; sure--)
        for (int i = 0; i < lb_readers.count; i++) {
            char name[64];
            if (((const lb_reader *)lb_readers.members[i])->probe(path) != sure) continue;
            lb_value *row = lb_value_map();
            lb_map_text(row, "reader", lb_public_name(name, sizeof name, lb_readers.members[i]->id));
            lb_map_int(row, "sure", sure);
            lb_list_put(list, row);
        }
    lb_map_put(v, "readers", list);
}

static int surest_decoder(const uint8_t *data, size_t size) {
    int most = 0;
    for (int i = 0; i < lb_decoders.count; i++) {
        int sure = ((const lb_decoder *)lb_decoders.members[i])->probe(data, size);
        if (sure > most) most = sure;
    }
    return most;
}

/* A list of items for a reader? "file" goes by the ending alone, which may promise what the bytes are not. */
static bool is_list(const lb_value *readers) { return readers && readers->count > 0 && strcmp(lb_get_text(readers->items[0], "reader", ""), "file") != 0; }

/* When a weight format is surer than every decoder and reader. */
static bool add_weights(lb_value *v, const uint8_t *data, size_t size) {
    const lb_head *best = NULL;
    const lb_value *readers = lb_get(v, "readers");
    int most = surest_decoder(data, size);
    if (is_list(readers) && lb_get_int(readers->items[0], "sure", 0) >= 80) return false;
    for (int i = 0; i < lb_weight_formats.count; i++) {
        int sure = ((const lb_weight_format *)lb_weight_formats.members[i])->probe(data, size);
        if (sure > most) most = sure, best = lb_weight_formats.members[i];
    }
    if (!best) return false;
    lb_map_text(v, "kind", "weights");
    lb_map_text(v, "codec", best->id);
    return true;
}

/* A feature file or cache: its rows and taps. */
static lb_status add_features(lb_value *v, const char *path) {
    lb_cache *c = NULL;
    lb_status st = lb_cache_open(&c, path);
    if (st != LB_OK) return st;
    lb_value *taps = lb_value_list();
    for (int i = 0; i < lb_cache_taps(c); i++) lb_list_text(taps, lb_cache_tap_at(c, i)->name);
    lb_map_text(v, "kind", "features");
    lb_map_text(v, "codec", "hdf5");
    lb_map_int(v, "items", lb_cache_rows(c));
    lb_map_put(v, "taps", taps);
    lb_cache_close(c);
    return LB_OK;
}

/* The signature stands at 0, 512, 1024, 2048, ... (HDF5 File Format Specification, "Disk Format: Level 0A"). */
static bool is_hdf5(const lb_mmap *m) {
    for (size_t at = 0; at + 8 <= m->size; at = at ? at * 2 : 512)
        if (memcmp(m->data + at, "\x89HDF\r\n\x1a\n", 8) == 0) return true;
    return false;
}

/* What the bytes are: a medium, weights, features; else the decoders' complaint. */
static lb_status add_file(lb_value *v, const char *path) {
    lb_mmap m = {0};
    lb_media_info info = {0};
    lb_status st = lb_mmap_open(&m, path);
    if (st != LB_OK) return st;
    lb_map_int(v, "bytes", (int64_t)m.size);
    if (is_hdf5(&m)) st = add_features(v, path);
    else if (!add_weights(v, m.data, m.size) && (st = lb_media_probe(&info, path)) == LB_OK) add_info(v, &info);
    lb_mmap_close(&m);
    return st;
}

/* On failure the line says why under "error". */
static lb_status probe_one(lb_value *v, const char *path) {
    lb_status st = LB_OK;
    lb_map_text(v, "path", path);
    add_readers(v, path);
    if (lb_is_folder(path)) lb_map_text(v, "kind", "folder");
    else if (lb_file_exists(path)) st = add_file(v, path);
    else if (lb_family_at(&lb_readers, path)) lb_map_text(v, "kind", "built-in set");
    else if (is_list(lb_get(v, "readers"))) lb_map_text(v, "kind", "pattern");
    else st = lb_fail(LB_E_NOTFOUND, "%s: no such file or folder", path);
    if (st == LB_OK || st == LB_E_NOMEM) return st;
    if (lb_file_exists(path) && is_list(lb_get(v, "readers"))) {
        lb_map_text(v, "kind", "list");
        lb_error_clear();
        return LB_OK;
    }
    lb_map_text(v, "error", lb_error_text());
    return st;
}

static lb_status say(const lb_value *v) {
    lb_buf out = {0};
    const lb_value *readers = lb_get(v, "readers");
    lb_buf_format(&out, "%s: %s", lb_get_text(v, "path", ""), lb_get_text(v, "kind", "?"));
    if (lb_get(v, "codec")) lb_buf_format(&out, ", %s", lb_get_text(v, "codec", ""));
    if (lb_get(v, "width")) lb_buf_format(&out, ", %lldx%lld", (long long)lb_get_int(v, "width", 0), (long long)lb_get_int(v, "height", 0));
    if (lb_get(v, "channels")) lb_buf_format(&out, ", %lld channels", (long long)lb_get_int(v, "channels", 0));
    if (lb_get(v, "bits")) lb_buf_format(&out, " of %lld bits", (long long)lb_get_int(v, "bits", 0));
    if (lb_get_int(v, "frames", 0) > 1) lb_buf_format(&out, ", %lld frames", (long long)lb_get_int(v, "frames", 0));
    if (lb_get(v, "duration_s")) lb_buf_format(&out, ", %.3f s", lb_get_real(v, "duration_s", 0));
    if (lb_get_int(v, "orientation", 1) != 1) lb_buf_format(&out, ", EXIF orientation %lld", (long long)lb_get_int(v, "orientation", 1));
    if (lb_get(v, "note")) lb_buf_format(&out, ", %s", lb_get_text(v, "note", ""));
    if (lb_get(v, "items")) lb_buf_format(&out, ", %lld items", (long long)lb_get_int(v, "items", 0));
    for (int64_t i = 0; lb_get(v, "taps") && i < lb_get(v, "taps")->count; i++) lb_buf_format(&out, "%s%s", i ? ", " : ", taps ", lb_get(v, "taps")->items[i]->text);
    if (lb_get(v, "bytes")) lb_buf_format(&out, ", %lld bytes", (long long)lb_get_int(v, "bytes", 0));
    for (int64_t i = 0; i < readers->count; i++)
        lb_buf_format(&out, "%s %s (%lld)", i ? "," : "; reader", lb_get_text(readers->items[i], "reader", ""), (long long)lb_get_int(readers->items[i], "sure", 0));
    if (readers->count == 0) lb_buf_text(&out, "; no reader knows it");
    lb_status st = lb_buf_status(&out);
    if (st == LB_OK) st = cli_print("%s", lb_buf_str(&out));
    lb_buf_free(&out);
    return st;
}

static lb_status run(lb_cli *cli, void *options) {
    (void)options;
    int bad = 0;
    for (int i = 0; i < cli->nwords; i++) {
        lb_value *v = lb_value_map();
        lb_status st = probe_one(v, cli->words[i]), said = LB_OK;
        if (st != LB_OK && st != LB_E_NOMEM) { /* the others go on */
            lb_say(LB_LOG_WARN, "probe", "%s", lb_error_text());
            bad++;
        }
        if (st == LB_E_NOMEM) said = st;
        else if (cli->json) said = cli_json(v);
        else if (st == LB_OK) said = say(v);
        lb_value_free(v);
        if (said != LB_OK) return said;
    }
    return bad ? lb_fail(LB_E_FORMAT, "%d of %d could not be told", bad, cli->nwords) : LB_OK;
}

LB_VERB(probe) = {.id = "probe", .title = "what a file is: kind, codec, size, orientation, and which readers know it", .source = "", .usage = "probe FILE|FOLDER|NAME...",
                  .help = "From the first bytes, never from the name. Readers are listed with how sure they are (0 to 100); --input takes the surest.\n"
                          "With --json every word has its line; one that cannot be told says why under \"error\".", .min_words = 1, .max_words = -1, .run = run};
