/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/generate.h"
#include <math.h>
#include <string.h>

static const double never = -1e9; /* as transformers: worse than any sum of logarithms */

/* A text that may go on, or is done. */
typedef struct beam {
    int64_t *ids; /* new tokens */
    double score;
    bool done;
} beam;

typedef struct item {
    beam *running, *finished; /* [beams], best first */
    bool hope;                /* a running text may still beat the finished ones */
    bool closed;
} item;

typedef struct search {
    lb_model *m;
    lb_tape *t;
    const lb_prompts *p;
    lb_generate_spec s;
    int64_t beams, rows, layers, most, keep, vocab;
    int64_t made; /* new tokens so far */
    lb_kv_cache **self, **cross;
    int64_t *next, *from, *place, *mask; /* per row: last token, row it continues, position; [rows, prompt + most] */
    float *logits;                       /* [rows, vocab] */
    item *items;
    int64_t *space;
} search;

void lb_generated_free(lb_generated *g) {
    for (int64_t i = 0; g->ids && i < g->count; i++) lb_free(g->ids[i]);
    lb_free(g->ids);
    lb_free(g->length);
    lb_free(g->score);
    *g = (lb_generated){0};
}

void lb_count_positions(int64_t *dst, const int64_t *mask, int64_t n, int64_t length) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0, seen = 0; k < length; k++) {
            dst[i * length + k] = seen > 0 || mask[i * length + k] ? seen : 0;
            seen += mask[i * length + k] != 0;
        }
}

lb_tensor *lb_nn_logits(lb_nn *m, lb_tensor *x, int64_t vocab, const char *tied, const char *own) {
    int64_t width = x->rank > 0 ? x->shape[x->rank - 1] : 0;
    if (!tied) return lb_nn_linear_no_bias(m, x, own, vocab, LB_ACT_NONE);
    return lb_linear(lb_nn_tape(m), x, lb_nn_param(m, tied, 2, (int64_t[]){vocab, width}, LB_INIT_NORMAL, 0.02), NULL, LB_ACT_NONE);
}

bool lb_nn_wants_logits(lb_nn *m) { return lb_nn_wants(m, "logits") || lb_tape_get_mode(lb_nn_tape(m)) == LB_TAPE_SHAPES; }

/* ---- the network ---- */

static lb_status run_decoder(search *s, int64_t rows, int64_t length, const int64_t *ids, const int64_t *places, int64_t seen, lb_tensor **y) {
    lb_status st = LB_OK;
    lb_nn *nn = NULL;
    const int64_t shape[] = {rows, length};
    lb_tape_reset(s->t);
    lb_tape_set_mode(s->t, LB_TAPE_NO_GRAD);
    LB_TRY(lb_nn_new(&nn, s->t, s->m->store, false));
    lb_decode d = {.ids = lb_input(s->t, LB_I64, 2, shape, ids, LB_I64), .memory = (lb_tensor *)s->p->memory, .self = s->self, .cross = s->p->memory ? s->cross : NULL, .last = true};
    if (places) d.positions = lb_input(s->t, LB_I64, 2, shape, places, LB_I64);
    if (s->mask) {
        int64_t *seen_mask = s->space, wide = s->p->length + s->most;
        for (int64_t i = 0; i < rows; i++) memcpy(seen_mask + i * seen, s->mask + i * (rows == s->rows ? 1 : s->beams) * wide, (size_t)seen * sizeof *seen_mask);
        d.mask = lb_input(s->t, LB_I64, 2, (int64_t[]){rows, seen}, seen_mask, LB_I64);
    }
    *y = s->m->arch->decoder->run(nn, s->m->cfg, &d);
    LB_TRY(lb_tape_status(s->t));
    if ((*y)->rank != 3 || (*y)->shape[0] != rows || (*y)->shape[1] != 1) st = lb_fail(LB_E_BUG, "model %s: its decoder gives no logits [%lld,1,V]", s->m->arch->id, (long long)rows);
done:
    lb_nn_free(nn);
    return st;
}

static lb_status keep_logits(search *s, const lb_tensor *y, int64_t copies) {
    lb_tensor *own = NULL;
    lb_status st = lb_tensor_copy(&own, y, LB_F32);
    if (st != LB_OK) return st;
    s->vocab = own->shape[2];
    if (!s->logits && !(s->logits = lb_alloc((size_t)s->rows, (size_t)s->vocab * sizeof *s->logits))) st = LB_E_NOMEM;
    for (int64_t i = 0; st == LB_OK && i < s->rows; i++) memcpy(s->logits + i * s->vocab, (const float *)own->data + i / copies * s->vocab, (size_t)s->vocab * sizeof *s->logits);
    lb_tensor_free(own);
    return st;
}

/* Caches filled for one row an item become those of `beams` rows. */
static lb_status spread_caches(search *s) {
    lb_status st = LB_OK;
    for (int64_t i = 0; i < s->rows; i++) s->from[i] = i / s->beams;
    for (int64_t k = 0; k < s->layers && s->beams > 1 && st == LB_OK; k++) st = lb_kv_cache_pick(s->self[k], s->rows, s->from);
    return st;
}

static lb_status first_run(search *s) {
    lb_status st = LB_OK;
    lb_tensor *y = NULL;
    int64_t n = s->p->count, length = s->p->length, *places = NULL;
    if (s->p->mask) {
        if (!(places = lb_alloc((size_t)(n * length), sizeof *places))) return LB_E_NOMEM;
        lb_count_positions(places, s->p->mask, n, length);
        for (int64_t i = 0; i < s->rows; i++) s->place[i] = places[i / s->beams * length + length - 1];
    }
    LB_TRY(run_decoder(s, n, length, s->p->ids, places, length, &y));
    LB_TRY(keep_logits(s, y, s->beams));
    LB_TRY(spread_caches(s));
done:
    lb_free(places);
    return st;
}

static lb_status next_run(search *s) {
    lb_status st = LB_OK;
    lb_tensor *y = NULL;
    bool moved = false;
    int64_t seen = s->p->length + s->made;
    for (int64_t i = 0; i < s->rows; i++) moved |= s->from[i] != i;
    for (int64_t k = 0; moved && k < s->layers; k++) LB_TRY(lb_kv_cache_pick(s->self[k], s->rows, s->from));
    for (int64_t i = 0; i < s->rows; i++) s->place[i]++; /* beams of an item stand at the same place */
    LB_TRY(run_decoder(s, s->rows, 1, s->next, s->mask ? s->place : NULL, seen, &y));
    LB_TRY(keep_logits(s, y, 1));
done:
    return st;
}

/* ---- choosing ---- */

static void suppress(search *s) {
    for (int64_t i = 0; i < s->rows; i++) {
        float *x = s->logits + i * s->vocab;
        for (int64_t k = 0; k < s->s.suppress_count; k++)
            if (s->s.suppress[k] >= 0 && s->s.suppress[k] < s->vocab) x[s->s.suppress[k]] = -INFINITY;
        for (int64_t k = 0; s->made == 0 && k < s->s.begin_suppress_count; k++)
            if (s->s.begin_suppress[k] >= 0 && s->s.begin_suppress[k] < s->vocab) x[s->s.begin_suppress[k]] = -INFINITY;
    }
}

static double log_sum(const float *x, int64_t n) {
    double most = -INFINITY, sum = 0;
    for (int64_t k = 0; k < n; k++) most = x[k] > most ? x[k] : most;
    for (int64_t k = 0; k < n; k++) sum += exp((double)x[k] - most);
    return most + log(sum);
}

static bool ends(const search *s, int64_t id) {
    for (int i = 0; i < s->s.eos_count; i++)
        if (s->s.eos[i] == id) return true;
    return false;
}

static void greedy_step(search *s) {
    suppress(s);
    for (int64_t i = 0; i < s->rows; i++) {
        item *it = &s->items[i];
        const float *x = s->logits + i * s->vocab;
        int64_t best = 0;
        s->from[i] = i;
        if (it->closed) {
            s->next[i] = s->s.eos_count ? s->s.eos[0] : 0;
            continue;
        }
        for (int64_t k = 1; k < s->vocab; k++)
            if (x[k] > x[best]) best = k;
        it->running->score += (double)x[best] - log_sum(x, s->vocab);
        s->next[i] = it->running->ids[s->made] = best;
        it->closed = ends(s, best);
    }
    s->made++;
}

/* A continuation of one of an item's texts. */
typedef struct candidate {
    double score;
    int64_t beam, id;
} candidate;

/* Into the list of the `keep` best, in order; of equal ones the first met. @return how many are in it */
static int64_t offer(candidate *list, int64_t count, int64_t keep, candidate c) {
    if (count == keep && !(c.score > list[count - 1].score)) return count;
    int64_t at = count < keep ? count++ : count - 1;
    for (; at > 0 && c.score > list[at - 1].score; at--) list[at] = list[at - 1];
    list[at] = c;
    return count;
}

/* The log-probabilities are those of all tokens; suppressed ones are struck out afterwards, as transformers does in a beam search. */
static int64_t best_candidates(const search *s, int64_t i, const double *sums, candidate *list) {
    int64_t count = 0;
    for (int64_t b = 0; b < s->beams; b++) {
        const float *x = s->logits + (i * s->beams + b) * s->vocab;
        double before = s->items[i].running[b].score - sums[i * s->beams + b];
        for (int64_t k = 0; k < s->vocab; k++) {
            double score = before + (double)x[k];
            if (count == s->keep && !(score > list[count - 1].score)) continue;
            count = offer(list, count, s->keep, (candidate){score, b, k});
        }
    }
    return count;
}

static void copy_text(const search *s, int64_t *dst, const beam *from, int64_t id) {
    memcpy(dst, from->ids, (size_t)s->made * sizeof *dst);
    dst[s->made] = id;
}

/* Puts a finished text among the item's best; texts move by their buffers. */
static void finish_one(const search *s, item *it, const candidate *c) {
    double score = c->score / pow((double)(s->made + 1), s->s.length_penalty);
    int64_t at = s->beams - 1, *ids;
    if (!(score > it->finished[at].score)) return;
    ids = it->finished[at].ids;
    copy_text(s, ids, &it->running[c->beam], c->id);
    if (!ends(s, c->id)) ids[s->made + 1] = -1;
    for (; at > 0 && score > it->finished[at - 1].score; at--) it->finished[at] = it->finished[at - 1];
    it->finished[at] = (beam){ids, score, true};
}

/* The running texts of the next step; continuations that end go on only where too few others are left, with a score that never wins. */
static void go_on(search *s, int64_t i, int64_t count, const candidate *list, const bool *stop, int64_t *space) {
    item *it = &s->items[i];
    candidate chosen[64];
    int64_t n = 0;
    for (int64_t k = 0; k < count; k++) n = offer(chosen, n, s->beams, (candidate){list[k].score + (stop[k] ? never : 0), list[k].beam, list[k].id});
    for (int64_t b = 0; b < n; b++) copy_text(s, space + b * (s->most + 2), &it->running[chosen[b].beam], chosen[b].id);
    for (int64_t b = 0; b < n; b++) {
        memcpy(it->running[b].ids, space + b * (s->most + 2), (size_t)(s->made + 1) * sizeof *space);
        it->running[b].score = chosen[b].score;
        s->next[i * s->beams + b] = chosen[b].id;
        s->from[i * s->beams + b] = i * s->beams + chosen[b].beam;
    }
}

static void judge(const search *s, item *it) {
    double best = it->running[0].score / pow((double)(s->made + 1), s->s.length_penalty), worst = INFINITY;
    bool all = true;
    for (int64_t b = 0; b < s->beams; b++) {
        worst = fmin(worst, it->finished[b].done ? it->finished[b].score : never);
        all = all && it->finished[b].done;
    }
    it->hope = it->hope && best > worst;
    it->closed = !it->hope || (s->s.early_stopping && all);
}

static lb_status beam_step(search *s) {
    candidate list[576];
    bool stop[576], last = s->made + 1 == s->most;
    double *sums = lb_alloc((size_t)s->rows, sizeof *sums);
    int64_t *space = lb_alloc((size_t)s->beams, (size_t)(s->most + 2) * sizeof *space);
    if (!sums || !space) {
        lb_free(sums);
        lb_free(space);
        return LB_E_NOMEM;
    }
    for (int64_t r = 0; r < s->rows; r++) sums[r] = log_sum(s->logits + r * s->vocab, s->vocab);
    suppress(s);
    for (int64_t i = 0; i < s->p->count; i++) {
        item *it = &s->items[i];
        int64_t count = best_candidates(s, i, sums, list);
        for (int64_t k = 0; k < count; k++) stop[k] = last || ends(s, list[k].id);
        for (int64_t k = 0; !it->closed && k < count && k < s->beams; k++)
            if (stop[k]) finish_one(s, it, &list[k]);
        go_on(s, i, count, list, stop, space);
        judge(s, it);
    }
    s->made++;
    lb_free(sums);
    lb_free(space);
    return LB_OK;
}

/* ---- the whole ---- */

static lb_status make_items(search *s) {
    if (!(s->items = lb_calloc((size_t)s->p->count + 1, sizeof *s->items))) return LB_E_NOMEM;
    for (int64_t i = 0; i < s->p->count; i++) {
        item *it = &s->items[i];
        it->hope = true;
        for (int k = 0; k < 2; k++) {
            beam *b = lb_calloc((size_t)s->beams, sizeof *b);
            if (!b) return LB_E_NOMEM;
            *(k ? &it->finished : &it->running) = b;
            for (int64_t j = 0; j < s->beams; j++) {
                b[j].score = k || j ? never : 0;
                if (!(b[j].ids = lb_alloc((size_t)s->most + 2, sizeof *b[j].ids))) return LB_E_NOMEM;
            }
        }
    }
    return LB_OK;
}

static void free_items(search *s) {
    for (int64_t i = 0; s->items && i < s->p->count; i++)
        for (int k = 0; k < 2; k++) {
            beam *b = k ? s->items[i].finished : s->items[i].running;
            for (int64_t j = 0; b && j < s->beams; j++) lb_free(b[j].ids);
            lb_free(b);
        }
    lb_free(s->items);
}

static lb_status make_caches(search *s) {
    lb_status st = LB_OK;
    s->self = lb_calloc((size_t)s->layers + 1, sizeof *s->self);
    s->cross = lb_calloc((size_t)s->layers + 1, sizeof *s->cross);
    if (!s->self || !s->cross) return LB_E_NOMEM;
    for (int64_t i = 0; i < s->layers && st == LB_OK; i++) {
        st = lb_kv_cache_new(&s->self[i], s->p->length + s->most);
        if (st == LB_OK && s->p->memory) st = lb_kv_cache_new(&s->cross[i], s->p->memory->shape[1] > 0 ? s->p->memory->shape[1] : 1);
    }
    return st;
}

static lb_status prepare(search *s) {
    int64_t wide = s->p->length + s->most;
    s->next = lb_alloc((size_t)s->rows, sizeof *s->next);
    s->from = lb_alloc((size_t)s->rows, sizeof *s->from);
    s->place = lb_calloc((size_t)s->rows, sizeof *s->place);
    if (!s->next || !s->from || !s->place) return LB_E_NOMEM;
    if (s->p->mask) {
        s->mask = lb_alloc((size_t)(s->rows * wide), sizeof *s->mask);
        s->space = lb_alloc((size_t)(s->rows * wide), sizeof *s->space);
        if (!s->mask || !s->space) return LB_E_NOMEM;
        for (int64_t i = 0; i < s->rows; i++)
            for (int64_t k = 0; k < wide; k++) s->mask[i * wide + k] = k < s->p->length ? s->p->mask[i / s->beams * s->p->length + k] : 1;
    }
    lb_status st = make_items(s);
    return st == LB_OK ? make_caches(s) : st;
}

static lb_status collect(const search *s, lb_generated *out) {
    lb_generated g = {.count = s->p->count,
                      .ids = lb_calloc((size_t)s->p->count + 1, sizeof *g.ids),
                      .length = lb_calloc((size_t)s->p->count + 1, sizeof *g.length),
                      .score = lb_calloc((size_t)s->p->count + 1, sizeof *g.score)};
    lb_status st = g.ids && g.length && g.score ? LB_OK : LB_E_NOMEM;
    for (int64_t i = 0; st == LB_OK && i < s->p->count; i++) {
        const beam *b = s->beams > 1 ? &s->items[i].finished[0] : &s->items[i].running[0];
        int64_t n = 0;
        bool any = s->made > 0 && (s->beams == 1 || b->done);
        while (any && n < s->made && b->ids[n] >= 0 && !ends(s, b->ids[n])) n++;
        g.length[i] = n;
        g.score[i] = b->score;
        if (!(g.ids[i] = lb_alloc((size_t)n + 1, sizeof **g.ids))) st = LB_E_NOMEM;
        else memcpy(g.ids[i], b->ids, (size_t)n * sizeof **g.ids);
    }
    if (st == LB_OK) *out = g;
    else lb_generated_free(&g);
    return st;
}

static lb_status check(const lb_model *m, const lb_prompts *p, const lb_generate_spec *spec) {
    const struct lb_text_decoder *d = m->arch->decoder;
    if (!d) return lb_fail(LB_E_UNSUPPORTED, "model %s writes no text: it has no decoder", m->arch->id);
    if (d->memory && !p->memory) return lb_fail(LB_E_ARG, "model %s: its decoder wants the tap '%s' as memory", m->arch->id, d->memory);
    if (p->length < 1) return lb_fail(LB_E_ARG, "model %s: a prompt of at least one token is wanted", m->arch->id);
    if (spec->beams > 64) return lb_fail(LB_E_ARG, "%lld beams, at most 64", (long long)spec->beams);
    if (spec->eos_count < 0 || spec->eos_count > 8) return lb_fail(LB_E_ARG, "%d ending tokens, at most 8", spec->eos_count);
    return LB_OK;
}

static lb_status find_most(search *s) {
    int64_t limit = s->m->arch->decoder->most(s->m->cfg), left = limit - s->p->length;
    if (limit && left < 1) return lb_fail(LB_E_LIMIT, "model %s: a prompt of %lld tokens leaves no room below %lld", s->m->arch->id, (long long)s->p->length, (long long)limit);
    s->most = s->s.max_new > 0 ? s->s.max_new : limit ? left : 20;
    if (limit && s->most > left) s->most = left;
    return LB_OK;
}

lb_status lb_generate(lb_generated *out, lb_model *m, lb_tape *t, const lb_prompts *prompts, const lb_generate_spec *spec) {
    lb_status st = check(m, prompts, spec);
    if (st != LB_OK) return st;
    search s = {.m = m, .t = t, .p = prompts, .s = *spec, .beams = spec->beams > 1 ? spec->beams : 1};
    s.rows = prompts->count * s.beams;
    s.keep = (spec->eos_count > 1 ? 1 + spec->eos_count : 2) * s.beams;
    s.layers = m->arch->decoder->layers(m->cfg);
    bool open = prompts->count > 0;
    LB_TRY(find_most(&s));
    LB_TRY(prepare(&s));
    while (open && s.made < s.most) {
        LB_TRY(s.made == 0 ? first_run(&s) : next_run(&s));
        if (s.beams == 1) greedy_step(&s);
        else LB_TRY(beam_step(&s));
        open = false;
        for (int64_t i = 0; i < prompts->count; i++) open |= !s.items[i].closed;
    }
    LB_TRY(collect(&s, out));
done:
    lb_tape_reset(t);
    for (int64_t i = 0; i < s.layers; i++) {
        if (s.self) lb_kv_cache_free(s.self[i]);
        if (s.cross) lb_kv_cache_free(s.cross[i]);
    }
    free_items(&s);
    lb_free(s.self), lb_free(s.cross), lb_free(s.next), lb_free(s.from), lb_free(s.place), lb_free(s.mask), lb_free(s.space), lb_free(s.logits);
    return st;
}
