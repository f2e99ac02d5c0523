/* SPDX-License-Identifier: Apache-2.0 */
/* Every op against PyTorch in float64: the cases of tests/data/torch, values and gradients. Compiled for double and for float. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "check.h"
#include "tensor/op.h"
#include "tests/torch_ops.h"

#ifdef LB_DOUBLE
static const char *const suite = "torch";
#else
static const char *const suite = "torch32";
#endif

enum { FEWEST = 1500, FEWEST_OF_ONE = 6 };
static struct tally {
    const char *name;
    bool also;     /* a further constructor of an op */
    bool elsewhere; /* has values from outside in tests/data/ops */
    int cases;
} tally[] = {
#define OP(id, ...) {#id, false, false, 0},
#define ALSO(id, ...) {#id, true, false, 0},
#include "tensor/ops.def"
#undef OP
#undef ALSO
};

/* What is left of the numbers of a group. */
typedef struct numbers {
    const char *at, *end;
} numbers;

static double *take(numbers *from, int64_t n, lb_dtype dtype) {
    size_t size = (size_t)n * lb_dtype_size(dtype);
    double *x = lb_alloc((size_t)n + 1, sizeof *x);
    void *copy = lb_alloc(size + 1, 1);
    if (!CHECK(x && copy && (size_t)(from->end - from->at) >= size)) {
        lb_free(x);
        x = NULL;
    } else {
        memcpy(copy, from->at, size); /* the file's numbers lie at any address */
        lb_convert(x, LB_F64, copy, dtype, n);
        from->at += size;
    }
    lb_free(copy);
    return x;
}

typedef struct operand {
    char kind; /* i, r, g: see tests/data/torch/make.py; 0 = absent */
    int rank;
    int64_t shape[LB_MAX_RANK], n;
    double *value, *other; /* other: of an input its gradient, of a result its weight */
} operand;

static operand describe(const lb_value *v) {
    operand o = {0};
    if (!v || v->kind != LB_V_LIST || v->count < 1 || v->count > LB_MAX_RANK + 1) return o;
    o.kind = v->items[0]->text[0];
    o.rank = (int)v->count - 1;
    o.n = 1;
    for (int i = 0; i < o.rank; i++) o.n *= o.shape[i] = v->items[i + 1]->integer;
    return o;
}

typedef struct recorded {
    int nin, nout;
    operand in[TORCH_IN], out[TORCH_OUT];
} recorded;

static bool read_case(recorded *r, const lb_value *v, numbers *from) {
    const lb_value *in = lb_get(v, "in"), *out = lb_get(v, "out");
    bool ok = CHECK(in && out && in->count <= TORCH_IN && out->count <= TORCH_OUT);
    r->nin = ok ? (int)in->count : 0;
    r->nout = ok ? (int)out->count : 0;
    for (int i = 0; i < r->nin; i++) {
        operand *x = &r->in[i];
        *x = describe(in->items[i]);
        if (x->kind) ok = (x->value = take(from, x->n, x->kind == 'i' ? LB_I32 : LB_F32)) && ok;
    }
    for (int i = 0; i < r->nout; i++) {
        r->out[i] = describe(out->items[i]);
        if (r->out[i].kind == 'g') ok = (r->out[i].other = take(from, r->out[i].n, LB_F32)) && ok;
    }
    for (int i = 0; i < r->nout; i++) ok = (r->out[i].value = take(from, r->out[i].n, r->out[i].kind == 'i' ? LB_I32 : LB_F64)) && ok;
    for (int i = 0; i < r->nin; i++)
        if (r->in[i].kind == 'g') ok = (r->in[i].other = take(from, r->in[i].n, LB_F64)) && ok;
    return ok;
}

static void forget(recorded *r) {
    for (int i = 0; i < r->nin; i++) {
        lb_free(r->in[i].value);
        lb_free(r->in[i].other);
    }
    for (int i = 0; i < r->nout; i++) {
        lb_free(r->out[i].value);
        lb_free(r->out[i].other);
    }
}

static double rms(const operand *x) {
    double sum = 0;
    for (int64_t i = 0; i < x->n; i++) sum += isfinite(x->value[i]) ? x->value[i] * x->value[i] : 0;
    return x->n > 0 ? sqrt(sum / (double)x->n) : 0;
}

/* Both sides compute in double and differ in the order of sums and the last bits of exp and the like: 1e-9 of max(|want|, rms) leaves six digits of
 * the sixteen for sums that cancel. In float 64 epsilons for sums of hundreds of roundings, and of what cancels an epsilon of the inputs' size
 * (tests/ops32_test.c). */
static bool same(const double *got, const double *want, int64_t n, double inputs) {
#ifdef LB_DOUBLE
    (void)inputs;
    return CHECK_DOUBLES(got, want, n, 1e-9, 1e-12);
#else
    return CHECK_DOUBLES(got, want, n, 64 * (double)FLT_EPSILON, 4 * (double)FLT_EPSILON * inputs);
#endif
}

static lb_status make_inputs(const recorded *r, torch_job *j) {
    j->nin = r->nin;
    for (int i = 0; i < r->nin; i++) {
        const operand *x = &r->in[i];
        if (!x->kind) continue;
        lb_status st = lb_tensor_new(&j->x[i], x->kind == 'i' ? LB_I64 : LB_REAL, x->rank, x->shape);
        if (st != LB_OK) return st;
        lb_convert(j->x[i]->data, j->x[i]->dtype, x->value, LB_F64, x->n);
        j->x[i]->requires_grad = x->kind == 'g';
    }
    return LB_OK;
}

static void check_results(const recorded *r, torch_job *j, double inputs) {
    for (int k = 0; k < r->nout; k++) {
        const operand *want = &r->out[k];
        const lb_tensor *y = j->y[k];
        if (!CHECK(y) || !CHECK_INT(y->rank, want->rank) || !CHECK(memcmp(y->shape, want->shape, sizeof(int64_t) * (size_t)y->rank) == 0)) continue;
        double *got = lb_alloc((size_t)want->n + 1, sizeof *got);
        CHECK((y->dtype == LB_I64) == (want->kind == 'i'));
        if (CHECK(got) && CHECK_OK(lb_read_f64(y, got, want->n))) same(got, want->value, want->n, want->kind == 'i' ? 0 : inputs);
        lb_free(got);
    }
}

static void check_gradients(const recorded *r, torch_job *j, double inputs) {
    lb_tensor *y[TORCH_OUT], *w[TORCH_OUT];
    int n = 0;
    for (int k = 0; k < r->nout; k++) {
        if (r->out[k].kind != 'g') continue;
        y[n] = j->y[k];
        w[n++] = lb_input(j->t, LB_REAL, r->out[k].rank, r->out[k].shape, r->out[k].other, LB_F64);
    }
    if (n > 0) lb_backward_from(j->t, n, y, w, false);
    if (!CHECK_OK(lb_tape_status(j->t))) return;
    for (int i = 0; i < r->nin; i++) {
        const operand *x = &r->in[i];
        const lb_tensor *g = j->x[i] ? j->x[i]->grad : NULL;
        if (x->kind != 'g' || x->n == 0) continue;
        double *got = lb_calloc((size_t)x->n + 1, sizeof *got); /* none: nothing depends on it */
        if (!CHECK(got)) continue;
        for (int64_t k = 0; g && k < x->n; k++) got[k] = lb_get_at(g, k);
        if (!same(got, x->other, x->n, inputs)) printf("     gradient of input %d\n", i);
        lb_free(got);
    }
}

/* grad: with a graph and its backward pass; else as inference, which has kernels of its own. */
static void run_case(const torch_op *op, const lb_value *v, const recorded *r, bool grad) {
    torch_job j = {.p = lb_get(v, "p")};
    double inputs = 0;
    for (int i = 0; i < r->nin; i++)
        if (r->in[i].kind == 'r' || r->in[i].kind == 'g') inputs = fmax(inputs, rms(&r->in[i]));
    if (CHECK_OK(lb_tape_new(&j.t)) && CHECK_OK(make_inputs(r, &j))) {
        if (!grad) lb_tape_set_mode(j.t, LB_TAPE_NO_GRAD);
        torch_run(op, &j);
        if (CHECK_OK(lb_tape_status(j.t))) {
            check_results(r, &j, inputs);
            if (grad && !check_failed()) check_gradients(r, &j, inputs);
        }
    }
    for (int i = 0; i < r->nin; i++) lb_tensor_free(j.x[i]);
    lb_tape_free(j.t);
}

static void show(const lb_value *v) {
    lb_buf text = {0};
    if (lb_json_write(&text, v, 0) == LB_OK) printf("     %.*s\n", (int)text.size, (const char *)text.data);
    lb_buf_free(&text);
}

static void group(const char *name) {
    char path[64];
    lb_value *cases = NULL;
    lb_buf data = {0};
    snprintf(path, sizeof path, "torch/%s.json", name);
    lb_status st = lb_json_read(&cases, check_data(path));
    snprintf(path, sizeof path, "torch/%s.bin", name);
    if (CHECK_OK(st) && CHECK_OK(lb_file_read(&data, check_data(path), (size_t)64 << 20))) {
        numbers from = {(const char *)data.data, (const char *)data.data + data.size};
        bool readable = true;
        for (int64_t k = 0; readable && k < cases->count; k++) {
            const lb_value *v = cases->items[k];
            const char *id = lb_get_text(v, "op", "");
            const torch_op *op = torch_find(id);
            recorded r = {0};
            check_begin("%s/%s/%lld", name, id, (long long)k);
            readable = read_case(&r, v, &from);
            bool wanted = readable && check_wanted(id) && CHECK(op) && (LB_REAL == LB_F64 || !lb_get_bool(v, "wide", false));
            for (int grad = 1; wanted && grad >= 0; grad--) run_case(op, v, &r, grad);
            if (check_failed()) show(v);
            forget(&r);
            check_end();
        }
        CHECK(from.at == from.end);
    }
    lb_value_free(cases);
    lb_buf_free(&data);
}

static const char *const groups[] = {"elementwise", "reduce", "arrange", "order", "layers", "losses", "pictures", "blocks", "matrices"};

static void cases(void) {
    for (size_t k = 0; k < LB_COUNT(groups); k++) group(groups[k]);
}

static struct tally *tally_of(const char *name) {
    for (size_t k = 0; k < LB_COUNT(tally); k++)
        if (strcmp(tally[k].name, name) == 0) return &tally[k];
    return NULL;
}

/* Counts the cases of one of the files; here = of this suite. */
static void tally_file(const char *folder, const char *name, bool here) {
    char path[64];
    lb_value *all = NULL;
    snprintf(path, sizeof path, "%s/%s.json", folder, name);
    if (!CHECK_OK(lb_json_read(&all, check_data(path)))) return;
    for (int64_t i = 0; i < all->count; i++) {
        struct tally *one = tally_of(lb_get_text(all->items[i], "op", ""));
        if (one && here) one->cases++;
        else if (one) one->elsewhere = true;
        else CHECK(!here); /* a case of no op */
    }
    lb_value_free(all);
}

/* Every op has cases here, or values from outside in tests/data/ops, or a reason why not. */
static void coverage(void) {
    static const char *const others[] = {"expected", "objectives", "sequence"};
    int all = 0;
    for (size_t k = 0; k < LB_COUNT(groups); k++) tally_file("torch", groups[k], true);
    for (size_t k = 0; k < LB_COUNT(others); k++) tally_file("ops", others[k], false);
    for (size_t k = 0; k < LB_COUNT(tally); k++) {
        const struct tally *one = &tally[k];
        const char *why = torch_left_out(one->name);
        all += one->cases;
        check_begin("coverage/%s", one->name);
        bool found = one->cases > 0 || one->elsewhere;
        if (why ? !CHECK_INT(one->cases, 0) : !CHECK(one->cases >= FEWEST_OF_ONE || (one->cases == 0 && (found || one->also))))
            printf("     %s has %d cases: see tests/data/torch/make.py and tests/torch_ops.c\n", one->name, one->cases);
        printf("%s %d%s", one->name, one->cases, k + 1 < LB_COUNT(tally) ? ", " : "\n");
        check_end();
    }
    printf("%d cases\n", all);
    CHECK(all >= FEWEST);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, suite, (check_test[]){{"cases", cases}, {"coverage", coverage}, {0}});
}
