/* SPDX-License-Identifier: Apache-2.0 */
/* Registries as data: every family's list sorted and unique, every member complete, every file listed, no orphan file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "cli/families.h"
#include "tests/check.h"

static void check_params(const lb_param *table) {
    for (const lb_param *p = table; p && p->name; p++) {
        CHECK(p->text && *p->text && p->unit);
        if (p->type == LB_T_TEXT || p->type == LB_T_LIST) continue;
        if (!(p->min <= p->def && p->def <= p->max)) check_true(false, p->name, 0, "default within its range");
        for (const lb_param *q = table; q != p; q++)
            if (strcmp(q->name, p->name) == 0) check_true(false, p->name, 0, "parameter named once");
    }
}

static void check_member(const char *root, const lb_family *f, const lb_head *m, const lb_head *before) {
    char path[512], text[160];
    snprintf(text, sizeof text, "%s %s", f->name, m->id);
    if (!m->title || !*m->title) check_true(false, text, 0, "has a title");
    if (!m->source) check_true(false, text, 0, "has a source (\"\" when there is none)");
    if (before && strcmp(before->id, m->id) >= 0) check_true(false, text, 0, "the list is sorted and its names unique");
    if (m->params && !m->params_size) check_true(false, text, 0, "params_size beside params");
    check_params(m->params);
    snprintf(path, sizeof path, "%s/%s/%s.c", root, f->dir, m->id);
    if (f->dir[0] && !lb_file_exists(path)) check_true(false, text, 0, "its file is <dir>/<id>.c");
    lb_buf out = {0};
    lb_family_describe(f, m, &out);
    CHECK_OK(lb_buf_status(&out));
    CHECK_HAS(lb_buf_str(&out), m->title);
    lb_buf_free(&out);
}

static void check_orphans(const char *root, const lb_family *f) {
    char path[512], id[128];
    char **names = NULL;
    int64_t count = 0;
    snprintf(path, sizeof path, "%s/%s", root, f->dir);
    if (!f->dir[0] || !lb_is_folder(path) || !CHECK_OK(lb_list_folder(&names, &count, path))) return;
    for (int64_t i = 0; i < count; i++) {
        if (!lb_ends_with(names[i], ".c") || strcmp(names[i], "template.c") == 0) continue;
        snprintf(id, sizeof id, "%.*s", (int)(strlen(names[i]) - 2), names[i]);
        bool listed = false;
        for (int k = 0; k < f->count; k++) listed = listed || strcmp(f->members[k]->id, id) == 0;
        if (!listed) check_true(false, names[i], 0, "every file of a family's folder is in its list");
    }
    lb_names_free(names, count);
}

int main(int argc, char **argv) {
    const char *root = getenv("LB_SOURCE") ? getenv("LB_SOURCE") : ".";
    static const check_test none[] = {{0}};
    for (int i = 0; i < cli_family_count; i++) {
        const lb_family *f = cli_families[i];
        check_begin("registry %s", f->name);
        CHECK(f->count > 0);
        for (int k = 0; k < f->count; k++) {
            const lb_head *found = NULL;
            check_member(root, f, f->members[k], k ? f->members[k - 1] : NULL);
            CHECK_OK(lb_family_find(&found, f, f->members[k]->id));
            CHECK(found == f->members[k]);
        }
        check_orphans(root, f);
        check_end();
    }
    return check_main(argc, argv, "registry", none);
}
