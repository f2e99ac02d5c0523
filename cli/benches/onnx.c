/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs of ONNX files that `limbeck fetch` brought. */
#include "base/file.h"
#include "cli/bench.h"
#include "cli/models.h"

typedef struct state {
    cli_model *model;
    lb_tape *tape;
    lb_tensor *image;
} state;

static lb_status once(void *ctx) {
    state *s = ctx;
    lb_tensor *out = NULL;
    lb_model_run(s->model->model, s->tape, 1, (lb_named[]){{"image", s->image}}, 1, (const char *[]){"output"}, &out);
    lb_status st = lb_tape_status(s->tape);
    lb_tape_reset(s->tape);
    return st;
}

static lb_status run(cli_bench *b) {
    static const char *const name = "isnet-small-1024";
    lb_status st = LB_OK;
    state s = {0};
    double seconds = 0;
    char *home = lb_home(), *folder = home ? lb_path_join(home, "isnet-small") : NULL;
    if (!folder) LB_TRY(LB_E_NOMEM);
    if (!cli_bench_wants(b, name)) goto done;
    if (!lb_is_folder(folder)) {
        lb_say(LB_LOG_WARN, "bench", "%s is left out: bring the model with: limbeck fetch isnet-small", name);
        goto done;
    }
    LB_TRY(cli_model_open(&s.model, folder));
    LB_TRY(lb_tape_new(&s.tape));
    lb_tape_set_mode(s.tape, LB_TAPE_NO_GRAD);
    LB_TRY(cli_bench_random(b, &s.image, "image", 4, (int64_t[]){1, 3, 1024, 1024}));
    LB_TRY(cli_bench_best(b, &seconds, 3, 1, once, &s));
    LB_TRY(cli_bench_say(b, name, "limbeck", 1 / seconds, "img/s"));
done:
    lb_tensor_free(s.image);
    lb_tape_free(s.tape);
    cli_model_close(s.model);
    lb_free(home);
    lb_free(folder);
    return st;
}

LB_BENCH(onnx) = {.id = "onnx", .title = "graphs of ONNX files", .source = "", .run = run};
