/* SPDX-License-Identifier: Apache-2.0 */
/* LB_CPU for functions that the compiler makes once for each instruction level (LBI_LEVELS of tensor/kernels/levels.h). Which of them is called is settled
 * while the program is loaded, by what GCC's __cpu_indicator_init found; the linker puts the function below in its place (--wrap, meson.build), which hides
 * levels that the environment forbids. So early no library may be called: the environment is read from the system. */
#include <stdbool.h>
#include "base/attr.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12

enum { OPEN = 2, READ = 0, CLOSE = 3 }; /* system calls */

static inline long system_call(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

/* A walk through "A=1\0B=2\0..." in search of one name. */
typedef struct search {
    int matched; /* letters of the name; -1 = another variable */
    int size;
    char value[8];
} search;

static bool step(search *s, char c) {
    static const char name[] = "LB_CPU=";
    const int length = (int)sizeof name - 1;
    if (s->matched == length) {
        if (c == 0) return true;
        if (s->size < (int)sizeof s->value - 1) s->value[s->size++] = c;
    } else if (c == 0) s->matched = 0;
    else if (s->matched >= 0) s->matched = c == name[s->matched] ? s->matched + 1 : -1;
    return false;
}

static bool is(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

__attribute__((no_stack_protector)) static void read_environment(search *s) {
    char text[1024];
    long file = system_call(OPEN, (long)"/proc/self/environ", 0, 0), n;
    bool found = false;
    if (file < 0) return;
    while (!found && (n = system_call(READ, file, (long)text, sizeof text)) > 0)
        for (long i = 0; i < n && !found; i++) found = step(s, text[i]);
    system_call(CLOSE, file, 0, 0);
}

/* Of libgcc: what the CPU has; bits 1 and 2 of word 2 are x86-64-v3 and v4 (GCC's i386-cpuinfo.h, from version 12 on). tests/kernels_test.c checks them. */
extern unsigned __cpu_features2[] __attribute__((visibility("hidden")));
enum { WORD = 2, V3 = 1 << 1, V4 = 1 << 2 };

int __real___cpu_indicator_init(void);
int __wrap___cpu_indicator_init(void);
__attribute__((no_stack_protector)) int __wrap___cpu_indicator_init(void) {
    static bool done;
    search s = {0};
    if (done) return 0;
    done = true;
    int result = __real___cpu_indicator_init();
    read_environment(&s);
    if (is(s.value, "ref") || is(s.value, "blas")) __cpu_features2[WORD] &= ~(unsigned)(V3 | V4);
    if (is(s.value, "avx2")) __cpu_features2[WORD] &= ~(unsigned)V4;
    return result;
}
#else
typedef int lbi_nothing_to_hide;
#endif
