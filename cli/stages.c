/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/stages.h"
#include <stdio.h>
#include <string.h>

void cli_stages_begin(cli_stages *s, const char *const *names, int count, int parallel, int workers) {
    *s = (cli_stages){.count = count, .workers = workers > 0 ? workers : 1, .begin = lb_now()};
    for (int i = 0; i < count; i++) {
        s->names[i] = names[i];
        s->parallel[i] = i < parallel;
    }
    pthread_mutex_init(&s->lock, NULL);
}

void cli_stages_end(cli_stages *s) {
    if (s->count) pthread_mutex_destroy(&s->lock);
    s->count = 0;
}

void cli_stages_add(cli_stages *s, int stage, double seconds) {
    pthread_mutex_lock(&s->lock);
    s->seconds[stage] += seconds;
    pthread_mutex_unlock(&s->lock);
}

/* Shares of each stage; the bottleneck, or -1. */
static int shares(cli_stages *s, double *share) {
    double wall = lb_now() - s->begin, side[2] = {0};
    int most[2] = {-1, -1};
    if (wall <= 0) return -1;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->count; i++) {
        int k = s->parallel[i];
        share[i] = s->seconds[i] / (wall * (k ? s->workers : 1));
        side[k] += share[i];
        if (most[k] < 0 || share[i] > share[most[k]]) most[k] = i;
    }
    pthread_mutex_unlock(&s->lock);
    int busier = side[1] > side[0];
    return side[busier] >= 0.5 ? most[busier] : -1;
}

const char *cli_stages_note(cli_stages *s) {
    double share[CLI_STAGES] = {0};
    size_t at = 0;
    int most = shares(s, share);
    for (int i = 0; i < s->count && at < sizeof s->note; i++) at += (size_t)snprintf(s->note + at, sizeof s->note - at, "%s%s %.0f %%", i ? ", " : "", s->names[i], 100 * share[i]);
    if (most >= 0 && at < sizeof s->note) snprintf(s->note + at, sizeof s->note - at, ": %s is the bottleneck", s->names[most]);
    return s->note;
}

lb_value *cli_stages_value(cli_stages *s) {
    double share[CLI_STAGES] = {0};
    int most = shares(s, share);
    lb_value *v = lb_value_map(), *seconds = lb_value_map();
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->count; i++) lb_map_real(seconds, s->names[i], s->seconds[i]);
    pthread_mutex_unlock(&s->lock);
    lb_map_put(v, "seconds", seconds);
    lb_map_real(v, "wall", lb_now() - s->begin);
    lb_map_int(v, "workers", s->workers);
    lb_map_text(v, "bottleneck", most >= 0 ? s->names[most] : NULL);
    return v;
}
