/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/forms.h"
#include <pthread.h>
#include "base/pages.h"

typedef struct form {
    struct form *next;
    lbi_form_kind kind;
    const void *data; /* of the tensor; views of it are tensors of their own, but structs may have been copied */
    int64_t detail;
    void *memory;
    bool making; /* by a thread, for which others wait */
} form;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t made = PTHREAD_COND_INITIALIZER;

void lb_tensor_fix(lb_tensor *x, bool on) {
    if (x->id != 0) return;
    x->fixed = on;
    for (form *f = on ? NULL : x->forms, *next; f; f = next) {
        next = f->next;
        lb_free(f->memory);
        lb_free(f);
    }
    if (!on) x->forms = NULL;
}

static form *find(const lb_tensor *x, lbi_form_kind kind, int64_t detail) {
    for (form *f = x->forms; f; f = f->next)
        if (f->kind == kind && f->data == x->data && f->detail == detail) return f;
    return NULL;
}

/* The same, with a place for it where there is none; NULL without memory. */
static form *find_or_add(const lb_tensor *x, lbi_form_kind kind, int64_t detail) {
    lb_tensor *to = (lb_tensor *)(uintptr_t)x; /* what it holds stays the same */
    form *f = find(x, kind, detail);
    if (f || !(f = lb_alloc(1, sizeof *f))) return f;
    *f = (form){.next = to->forms, .kind = kind, .data = x->data, .detail = detail};
    to->forms = f;
    return f;
}

void *lbi_form_find(const lb_tensor *x, lbi_form_kind kind, int64_t detail) {
    if (!x->fixed) return NULL;
    pthread_mutex_lock(&lock);
    form *f = find_or_add(x, kind, detail);
    while (f && f->making) pthread_cond_wait(&made, &lock);
    void *memory = f ? f->memory : NULL;
    if (f && !memory) f->making = true;
    pthread_mutex_unlock(&lock);
    if (!f) lb_error_clear(); /* what is made will not be kept */
    return memory;
}

void *lbi_form_keep(const lb_tensor *x, lbi_form_kind kind, int64_t detail, void *take_form) {
    pthread_mutex_lock(&lock);
    form *f = x->fixed ? find(x, kind, detail) : NULL;
    if (f && f->making) {
        f->memory = take_form;
        take_form = NULL;
        f->making = false;
        pthread_cond_broadcast(&made);
    }
    void *memory = f ? f->memory : NULL;
    pthread_mutex_unlock(&lock);
    lb_free(take_form); /* no place could be had for it */
    if (memory) lb_pages_forget(x->data, (size_t)lb_numel(x) * lb_dtype_size(x->dtype)); /* the form is read instead */
    return memory;
}
