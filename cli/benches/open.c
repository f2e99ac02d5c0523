/* SPDX-License-Identifier: Apache-2.0 */
/* Opening weights and models, in ms: a safetensors file of 100 tensors and 98 MB made here; PyTorch's archive of a fetched model; a fetched model whole, ready to
 * run, with its tokenizer; tokenizers and a graph alone. Files are in the page cache. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "cli/bench.h"
#include "cli/models.h"
#include "text/tokenizer.h"

enum { TENSORS = 100, ROWS = 480, COLUMNS = 512 };

static lb_status open_weights(void *ctx) {
    lb_weights *w = NULL;
    lb_status st = lb_weights_open(&w, ctx);
    lb_weights_close(w);
    return st;
}

static lb_status open_model(void *ctx) {
    cli_model *m = NULL;
    lb_status st = cli_model_open(&m, ctx);
    cli_model_close(m);
    return st;
}

static lb_status open_tokenizer(void *ctx) {
    lb_tokenizer *t = NULL;
    lb_status st = lb_tokenizer_open(&t, ctx);
    lb_tokenizer_close(t);
    return st;
}

static lb_status write_many(cli_bench *b, const char *path) {
    char text[TENSORS][32];
    const char *names[TENSORS];
    const lb_tensor *tensors[TENSORS];
    lb_tensor *x = NULL;
    lb_status st = cli_bench_random(b, &x, "x", 2, (int64_t[]){ROWS, COLUMNS});
    for (int i = 0; i < TENSORS; i++) {
        snprintf(text[i], sizeof text[i], "layer.%d.weight", i);
        names[i] = text[i];
        tensors[i] = x;
    }
    if (st == LB_OK) st = lb_safetensors_write(path, TENSORS, names, tensors, NULL);
    lb_tensor_free(x);
    return st;
}

static lb_status figure(cli_bench *b, const char *name, lb_status (*once)(void *), const char *path) {
    double seconds = 0;
    lb_status st = cli_bench_best(b, &seconds, 7, 1, once, (void *)(uintptr_t)path);
    return st == LB_OK ? cli_bench_say(b, name, "limbeck", 1e3 * seconds, "ms") : st;
}

/* Of a fetched model, when it is there: its file `inner`, or the folder. */
static lb_status fetched(cli_bench *b, const char *name, lb_status (*once)(void *), const char *inner) {
    lb_status st = LB_OK;
    char *home = lb_home(), *path = home ? lb_path_join(home, inner) : NULL;
    if (!path) st = LB_E_NOMEM;
    else if (cli_bench_wants(b, name) && (lb_file_exists(path) || lb_is_folder(path))) st = figure(b, name, once, path);
    lb_free(home);
    lb_free(path);
    return st;
}

static lb_status run(cli_bench *b) {
    static const char *const path = "bench-open.safetensors";
    lb_status st = LB_OK;
    if (cli_bench_wants(b, "open-safetensors")) {
        LB_TRY(write_many(b, path));
        LB_TRY(figure(b, "open-safetensors", open_weights, path));
    }
    LB_TRY(fetched(b, "open-torch-archive", open_weights, "efficientnet-lite0/efficientnet-lite0.pth"));
    LB_TRY(fetched(b, "open-efficientnet-lite0", open_model, "efficientnet-lite0"));
    LB_TRY(fetched(b, "open-minilm", open_model, "minilm-l6"));
    LB_TRY(fetched(b, "open-tokenizer-wordpiece", open_tokenizer, "minilm-l6/tokenizer.json"));
    LB_TRY(fetched(b, "open-tokenizer-byte-bpe", open_tokenizer, "whisper-base/tokenizer.json"));
    LB_TRY(fetched(b, "open-graph", open_model, "isnet-small"));
    LB_TRY(fetched(b, "open-whisper-base", open_weights, "whisper-base/model.bin"));
done:
    (void)unlink(path);
    return st;
}

LB_BENCH(open) = {.id = "open", .title = "opening weight files and models", .source = "", .run = run};
