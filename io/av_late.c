/* SPDX-License-Identifier: Apache-2.0 */
#include "io/av_late.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

lbi_av_calls lbi_ff;

typedef struct call {
    const char *name;
    size_t at; /* its pointer in lbi_ff */
} call;

#define CALL(name) {#name, offsetof(lbi_av_calls, name)},
static const call avutil_calls[] = {LBI_AVUTIL(CALL) {0}};
static const call avcodec_calls[] = {LBI_AVCODEC(CALL) {0}};
static const call avformat_calls[] = {LBI_AVFORMAT(CALL) {0}};
static const call swresample_calls[] = {LBI_SWRESAMPLE(CALL) {0}};
static const call swscale_calls[] = {LBI_SWSCALE(CALL) {0}};

static const struct {
    const char *file; /* of the version that this was compiled for */
    const call *calls;
} libraries[] = {
    {"libavutil.so." AV_STRINGIFY(LIBAVUTIL_VERSION_MAJOR), avutil_calls},
    {"libavcodec.so." AV_STRINGIFY(LIBAVCODEC_VERSION_MAJOR), avcodec_calls},
    {"libavformat.so." AV_STRINGIFY(LIBAVFORMAT_VERSION_MAJOR), avformat_calls},
    {"libswresample.so." AV_STRINGIFY(LIBSWRESAMPLE_VERSION_MAJOR), swresample_calls},
    {"libswscale.so." AV_STRINGIFY(LIBSWSCALE_VERSION_MAJOR), swscale_calls},
};

static char missing[200];

static void say_missing(const char *what) { snprintf(missing, sizeof missing, "%s", what ? what : "FFmpeg's libraries do not load"); }

static bool load_one(int i) {
    void *library = dlopen(libraries[i].file, RTLD_LAZY | RTLD_LOCAL);
    if (!library) say_missing(dlerror());
    for (const call *c = libraries[i].calls; library && c->name; c++) {
        void *found = dlsym(library, c->name);
        if (!found) {
            say_missing(dlerror());
            return false;
        }
        memcpy((char *)&lbi_ff + c->at, &found, sizeof found);
    }
    return library != NULL;
}

static void load(void) {
    bool ready = true;
    for (int i = 0; i < (int)LB_COUNT(libraries) && ready; i++) ready = load_one(i);
    lbi_ff.ready = ready;
}

lb_status lbi_av_load(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return lbi_ff.ready ? LB_OK : lb_fail(LB_E_UNSUPPORTED, "video and sound want FFmpeg: %s", missing);
}
