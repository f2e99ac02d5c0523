/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck describe FILE`: what is in a weight file. */
#include <stdio.h>
#include "base/file.h"
#include "cli/models.h"

enum { SHOWN = 200 }; /* bytes of a metadata value for people */

static int64_t elements(const lb_weight *t) {
    return (int64_t)(t->bytes / lb_dtype_size(t->dtype));
}

static lb_value *head_of(const lb_weights *w, const char *file, const char *sha256) {
    int64_t count = 0, bytes = 0;
    for (int64_t i = 0; i < w->count; i++) {
        count += elements(&w->at[i]);
        bytes += (int64_t)w->at[i].bytes;
    }
    lb_value *v = lb_value_map();
    lb_map_text(v, "file", file);
    lb_map_text(v, "format", w->format->id);
    lb_map_text(v, "sha256", sha256);
    lb_map_int(v, "tensors", w->count);
    lb_map_int(v, "elements", count);
    lb_map_int(v, "bytes", bytes);
    lb_map_put(v, "metadata", w->metadata ? lb_value_copy(w->metadata) : lb_value_map());
    return v;
}

static lb_value *row_of(const lb_weight *t) {
    lb_value *v = lb_value_map(), *shape = lb_value_list();
    for (int d = 0; d < t->rank; d++) lb_list_int(shape, t->shape[d]);
    lb_map_text(v, "name", t->name);
    lb_map_text(v, "dtype", lb_dtype_name(t->dtype));
    lb_map_put(v, "shape", shape);
    lb_map_int(v, "bytes", (int64_t)t->bytes);
    return v;
}

static lb_status say_metadata(const lb_value *metadata) {
    lb_status st = LB_OK;
    for (int64_t i = 0; metadata && st == LB_OK && i < metadata->count; i++) {
        lb_buf text = {0};
        st = lb_json_write(&text, metadata->items[i], 0);
        if (st == LB_OK) st = cli_print("  %s = %.*s%s", metadata->keys[i], SHOWN, lb_buf_str(&text), text.size > SHOWN ? " ..." : "");
        lb_buf_free(&text);
    }
    return st;
}

static lb_status say_tensors(const lb_weights *w) {
    lb_status st = LB_OK;
    char shape[96];
    for (int64_t i = 0; st == LB_OK && i < w->count; i++)
        st = cli_print("%-48s %-5s %s", w->at[i].name, lb_dtype_name(w->at[i].dtype), lb_shape_text(shape, sizeof shape, w->at[i].rank, w->at[i].shape));
    return st;
}

static lb_status say_rows(const lb_weights *w) {
    lb_status st = LB_OK;
    for (int64_t i = 0; st == LB_OK && i < w->count; i++) {
        lb_value *row = row_of(&w->at[i]);
        st = cli_json(row);
        lb_value_free(row);
    }
    return st;
}

lb_status cli_describe_weights(const lb_cli *cli, const char *file_or_folder) {
    lb_weights *w = NULL;
    lb_value *head = NULL;
    char *file = NULL, sha256[65], size[24];
    lb_status st = LB_OK;
    LB_TRY(cli_open_weights(&w, &file, file_or_folder));
    LB_TRY(lb_weights_sha256(w, sha256));
    head = head_of(w, file, sha256);
    if (cli->json) {
        LB_TRY(cli_json(head));
        LB_TRY(say_rows(w));
        goto done;
    }
    LB_TRY(cli_print("%s: %s, %lld tensors, %lld numbers, %s, SHA-256 %s", file, w->format->id, (long long)w->count, (long long)lb_get_int(head, "elements", 0),
                     cli_bytes(size, lb_get_int(head, "bytes", 0)), sha256));
    LB_TRY(say_metadata(w->metadata));
    LB_TRY(say_tensors(w));
done:
    lb_value_free(head);
    lb_free(file);
    lb_weights_close(w);
    return st;
}
