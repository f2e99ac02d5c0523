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
} form;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

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

void *lbi_form_find(const lb_tensor *x, lbi_form_kind kind, int64_t detail) {
    if (!x->fixed) return NULL;
    pthread_mutex_lock(&lock);
    const form *f = find(x, kind, detail);
    pthread_mutex_unlock(&lock);
    return f ? f->memory : NULL;
}

void lbi_form_keep(const lb_tensor *x, lbi_form_kind kind, int64_t detail, void *take_form) {
    lb_tensor *to = (lb_tensor *)(uintptr_t)x; /* what it holds stays the same */
    form *f = x->fixed ? lb_alloc(1, sizeof *f) : NULL;
    pthread_mutex_lock(&lock);
    if (f && !find(x, kind, detail)) { /* else another thread was faster */
        *f = (form){to->forms, kind, x->data, detail, take_form};
        to->forms = f;
        f = NULL;
        take_form = NULL;
    }
    pthread_mutex_unlock(&lock);
    lb_free(f);
    lb_free(take_form);
    if (x->fixed) lb_pages_forget(x->data, (size_t)lb_numel(x) * lb_dtype_size(x->dtype)); /* the form is read instead */
}
