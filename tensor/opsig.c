/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "tensor/parts.h"

typedef struct letters {
    char name[LBI_MAX_LETTERS][24];
    int count;
} letters;

/* The number of a letter; -1 when there are too many. */
static int letter_of(letters *l, const char *name) {
    for (int i = 0; i < l->count; i++)
        if (strcmp(l->name[i], name) == 0) return i;
    if (l->count == LBI_MAX_LETTERS || strlen(name) >= sizeof l->name[0]) return -1;
    strcpy(l->name[l->count], name);
    return l->count++;
}

static lb_status compile(lbi_item *it, letters *l, const lb_sig *sig, bool output, int i, const lb_op *op) {
    static const lb_dtype types[] = {[LB_SIG_F32] = LB_REAL, [LB_SIG_I64] = LB_I64, [LB_SIG_U8] = LB_U8};
    lb_sig_item from;
    lb_sig_item_at(sig, output, i, &from);
    *it = (lbi_item){.optional = from.optional, .any_shape = from.any_shape, .lead = from.lead, .dtype = types[from.type],
                     .rank = from.rank};
    for (int k = 0; k < from.rank; k++) {
        const char *letter = from.dims[k].letter;
        it->dims[k] = (lbi_dim){LBI_NUMBER, from.dims[k].times, from.dims[k].plus};
        if (letter[0] == '*') it->dims[k].letter = LBI_ANY;
        else if (letter[0] && (it->dims[k].letter = letter_of(l, letter)) < 0)
            return lb_fail(LB_E_BUG, "op %s: more than %d letters in its signature", op->id, LBI_MAX_LETTERS);
    }
    return LB_OK;
}

lb_status lbi_opsig_new(lbi_opsig **out, const lb_op *op) {
    lb_status st = LB_OK;
    letters l = {.count = 0};
    lbi_opsig *s = lb_calloc(1, sizeof *s);
    if (!s) return LB_E_NOMEM;
    s->op = op;
    LB_TRY(lb_sig_parse(&s->sig, op->sig));
    s->nin = lb_sig_inputs(s->sig);
    s->nout = lb_sig_outputs(s->sig);
    s->results = op->results > 0 ? op->results : 1;
    if (s->nin > LB_OP_MAX_IN || s->nout > LB_OP_MAX_OUT || s->nout < s->results)
        LB_TRY(lb_fail(LB_E_BUG, "op %s: %d inputs, %d outputs and %d results do not go together", op->id, s->nin, s->nout,
                       s->results));
    for (int i = 0; i < s->nin; i++) LB_TRY(compile(&s->in[i], &l, s->sig, false, i, op));
    for (int i = 0; i < s->nout; i++) LB_TRY(compile(&s->out[i], &l, s->sig, true, i, op));
    s->letters = l.count;
    *out = s;
    s = NULL;
done:
    lbi_opsig_free(s);
    return st;
}

void lbi_opsig_free(lbi_opsig *s) {
    if (!s) return;
    lb_sig_free(s->sig);
    lb_free(s);
}

void lbi_bound_init(lbi_bound *b, const lbi_opsig *s) {
    b->lead_rank = -1;
    for (int i = 0; i < s->letters; i++) b->letter[i] = -1;
}

static bool match_dim(const lbi_dim *d, lbi_bound *b, int64_t size) {
    if (d->letter == LBI_ANY) return true;
    if (d->letter == LBI_NUMBER) return size == d->plus;
    int64_t *value = &b->letter[d->letter], rest = size - d->plus;
    if (*value >= 0) return d->times * *value + d->plus == size;
    if (rest < 0 || (d->times != 1 && rest % d->times != 0)) return false;
    *value = d->times == 1 ? rest : rest / d->times;
    return true;
}

bool lbi_match(const lbi_item *it, lbi_bound *b, const lb_tensor *x, bool any_dtype) {
    if (x->dtype != it->dtype && !any_dtype) return false;
    if (it->any_shape) return true;
    int lead = x->rank - it->rank;
    if (lead < 0 || (lead > 0 && !it->lead)) return false;
    if (it->lead && b->lead_rank < 0) {
        b->lead_rank = lead;
        for (int i = 0; i < lead; i++) b->lead[i] = x->shape[i];
    } else if (it->lead) {
        if (b->lead_rank != lead) return false;
        for (int i = 0; i < lead; i++)
            if (b->lead[i] != x->shape[i]) return false;
    }
    for (int i = 0; i < it->rank; i++)
        if (!match_dim(&it->dims[i], b, x->shape[lead + i])) return false;
    return true;
}

bool lbi_shape_of(const lbi_item *it, const lbi_bound *b, lb_tensor *x) {
    x->dtype = it->dtype;
    x->rank = 0;
    if (it->any_shape || (it->lead && b->lead_rank < 0)) return false;
    int lead = it->lead ? b->lead_rank : 0;
    if (lead + it->rank > LB_MAX_RANK) return false;
    for (; x->rank < lead; x->rank++) x->shape[x->rank] = b->lead[x->rank];
    for (int k = 0; k < it->rank; k++) {
        const lbi_dim *d = &it->dims[k];
        if (d->letter == LBI_ANY || (d->letter >= 0 && b->letter[d->letter] < 0)) return false;
        x->shape[x->rank++] = d->letter >= 0 ? d->times * b->letter[d->letter] + d->plus : d->plus;
    }
    return true;
}
