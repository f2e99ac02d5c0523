/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/bound.h"
#ifdef __SANITIZE_ADDRESS__
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* sanitizer/allocator_interface.h, which GCC has not */
size_t __sanitizer_get_allocated_size(const volatile void *p);
int __sanitizer_install_malloc_and_free_hooks(void (*taken)(const volatile void *, size_t), void (*given)(const volatile void *));

static atomic_llong alive, most;

static void taken(const volatile void *p, size_t size) {
    (void)p;
    long long now = atomic_fetch_add(&alive, (long long)size) + (long long)size;
    if (now > atomic_load(&most)) atomic_store(&most, now);
}

static void given(const volatile void *p) {
    if (p) atomic_fetch_sub(&alive, (long long)__sanitizer_get_allocated_size(p));
}

void fuzz_bound_begin(void) {
    static bool installed;
    if (!installed) __sanitizer_install_malloc_and_free_hooks(taken, given);
    installed = true;
    atomic_store(&alive, 0);
    atomic_store(&most, 0);
}

void fuzz_bound_end(size_t size, size_t times, size_t more) {
    if (atomic_load(&most) <= (long long)(size * times + more)) return;
    fprintf(stderr, "fuzz: %lld bytes alive for a file of %zu\n", (long long)atomic_load(&most), size);
    abort();
}
#else
void fuzz_bound_begin(void) {}
void fuzz_bound_end(size_t size, size_t times, size_t more) { (void)size, (void)times, (void)more; }
#endif
