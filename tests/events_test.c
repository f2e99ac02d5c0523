/* SPDX-License-Identifier: Apache-2.0 */
/* TensorBoard's event files, byte for byte as its own package writes them (tests/data/events/make.py). */
#include <string.h>
#include "base/file.h"
#include "check.h"
#include "io/events.h"

static void as_tensorboard(void) {
    static const char *const tags[] = {"loss", "terms/kl.images", "gr\xc3\xb6\xc3\x9f"
                                                                  "e"};
    lb_events *e = NULL;
    lb_buf got = {0}, want = {0};
    char **names = NULL, *path = NULL;
    int64_t n = 0;
    const char *folder = check_tmp("board/run");
    if (!CHECK_OK(lb_events_open(&e, folder, 1700000000.25))) return;
    CHECK_OK(lb_events_write(e, 1700000001.5, 0, 1, tags, (double[]){2.5}));
    CHECK_OK(lb_events_write(e, 1700000002.5, 300, 3, tags, (double[]){-1.0 / 3, 0, 1e-30}));
    CHECK_OK(lb_events_write(e, 1700000003.5, (int64_t)1 << 40, 0, NULL, NULL));
    lb_events_close(e);
    CHECK_OK(lb_list_folder(&names, &n, folder));
    if (CHECK_INT(n, 1)) {
        CHECK_HAS(names[0], "events.out.tfevents.1700000000.");
        path = lb_path_join(folder, names[0]);
        CHECK_OK(lb_file_read(&got, path, 0));
        CHECK_OK(lb_file_read(&want, check_data("events/expected.tfevents"), 0));
        if (CHECK_INT((int64_t)got.size, (int64_t)want.size)) CHECK(memcmp(got.data, want.data, got.size) == 0);
    }
    lb_names_free(names, n);
    lb_free(path);
    lb_buf_free(&got);
    lb_buf_free(&want);
}

static void no_place(void) {
    lb_events *e = NULL;
    CHECK_FAILS(lb_events_open(&e, "/proc/none", 1), LB_E_NOTFOUND, "/proc/none");
}

int main(int argc, char **argv) { return check_main(argc, argv, "events", (check_test[]){{"as_tensorboard", as_tensorboard}, {"no_place", no_place}, {0}}); }
