/* SPDX-License-Identifier: Apache-2.0 */
#include "base/progress.h"
#include <math.h>
#include <time.h>

static const double show_every = 0.1, rate_span = 10;

double lb_now(void) {
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0) return 0;
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool lb_progress_stopped(const lb_progress *p) {
    return p && p->stop && *p->stop;
}

void lb_progress_begin(lb_progress *p, const char *what, const char *unit, int64_t already, int64_t total) {
    if (!p) return;
    p->s = (lb_progress_state){.what = what, .unit = unit, .done = already, .total = total, .left = -1};
    p->start = p->mark_time = lb_now();
    p->last_shown = p->start - 2 * show_every;
    p->base = p->mark_done = already;
}

/* Up to rate_span the mean since the start, later an exponential mean with that time constant. */
static void update(lb_progress *p, double now) {
    lb_progress_state *s = &p->s;
    s->seconds = now - p->start;
    double step = now - p->mark_time;
    if (s->seconds <= rate_span) {
        s->rate = s->seconds > 0 ? (double)(s->done - p->base) / s->seconds : 0;
    } else if (step > 0) {
        double share = 1 - exp(-step / rate_span);
        s->rate += share * ((double)(s->done - p->mark_done) / step - s->rate);
    }
    p->mark_time = now;
    p->mark_done = s->done;
    s->left = s->total >= 0 && s->rate > 0 ? (double)(s->total - s->done) / s->rate : -1;
}

static void show(lb_progress *p, double now, const char *note) {
    update(p, now);
    p->last_shown = now;
    if (!p->show) return;
    p->s.note = note;
    p->show(p->ctx, &p->s);
    p->s.note = NULL;
}

lb_status lb_progress_at(lb_progress *p, int64_t done, const char *note) {
    if (!p) return LB_OK;
    p->s.done = done;
    double now = lb_now();
    if (now - p->last_shown >= show_every) show(p, now, note);
    if (!lb_progress_stopped(p)) return LB_OK;
    return lb_fail(LB_E_CANCELLED, "%s: stopped on request after %lld %s", p->s.what, (long long)done, p->s.unit);
}

void lb_progress_end(lb_progress *p, const char *note) {
    if (p) show(p, lb_now(), note);
}
