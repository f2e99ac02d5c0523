/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck doctor`: the machine, and what was found on it. */
#include <stdio.h>
#include <unistd.h>
#include "base/cpu.h"
#include "base/file.h"
#include "base/threads.h"
#include "cli/cli.h"
#include "cli/crew.h"
#include "cli/fetch.h"
#include "cli/machine.h"
#include "lb_version.h"

typedef struct part {
    const char *what, *path, *package;
} part;

/* Data that verbs use when it is there, and the Debian package that brings it. */
static const part parts[] = {
    {"colour emoji font", "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf", "fonts-noto-color-emoji"},
    {"emoji list", "/usr/share/unicode/emoji/emoji-test.txt", "unicode-data"},
    {"emoji keywords", "/usr/share/unicode/cldr/common/annotations/en.xml", "unicode-cldr-core"},
    {"WordNet glosses", "/usr/share/wordnet/data.noun", "wordnet-base"},
    {"python3 for fetch", "/usr/bin/python3", "python3-pip"},
};

/* "efficientnet-lite0, minilm-l6": those that `fetch` brought. */
static void fetched(lb_value *all, lb_buf *text) {
    lb_value *names = lb_value_list();
    for (int i = 0; i < cli_pretrained_models.count; i++) {
        char name[CLI_NAME];
        if (!cli_fetched(cli_pretrained_at(i))) continue;
        lb_list_text(names, cli_pretrained_name(name, cli_pretrained_at(i)));
        lb_buf_format(text, "%s%s", text->size ? ", " : "", name);
    }
    lb_error_clear();
    lb_map_put(all, "models", names);
}

static lb_status run(lb_cli *cli, void *options) {
    (void)options;
    lb_status st = LB_OK;
    char model[128];
    char *home = lb_home();
    lb_buf models = {0};
    lb_value *all = lb_value_map(), *found = lb_value_list();
    cli_cpu_name(model, sizeof model);
    double gib = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (1024.0 * 1024 * 1024);
    lb_map_text(all, "version", LB_VERSION);
    lb_map_text(all, "cpu", model);
    lb_map_int(all, "cpus", lb_cpu_count());
    lb_map_int(all, "threads", cli->threads);
    lb_map_text(all, "kernels", lbi_cpu_name(lbi_cpu()));
    lb_map_real(all, "memory_gib", gib);
    lb_map_text(all, "home", home);
    lb_map_text(all, "mpi", cli_crew_library());
    fetched(all, &models);
    if (!cli->json) {
        LB_TRY(cli_print("limbeck %s", LB_VERSION));
        LB_TRY(cli_print("processor          %s, %d usable, %d threads, kernels for %s", model, lb_cpu_count(), cli->threads, lbi_cpu_name(lbi_cpu())));
        LB_TRY(cli_print("memory             %.1f GiB", gib));
        LB_TRY(cli_print("processes          %s", cli_crew_library() ? cli_crew_library() : "training by one alone: built without MPI (Debian: libopenmpi-dev)"));
        LB_TRY(cli_print("models             %s in %s", models.size ? lb_buf_str(&models) : "none (limbeck fetch --list)", home ? home : "?"));
    }
    for (size_t i = 0; i < LB_COUNT(parts); i++) {
        bool there = lb_file_exists(parts[i].path);
        lb_value *row = lb_value_map();
        lb_map_text(row, "what", parts[i].what);
        lb_map_text(row, "path", parts[i].path);
        lb_map_bool(row, "found", there);
        lb_map_text(row, "package", parts[i].package);
        lb_list_put(found, row);
        if (!cli->json) LB_TRY(cli_print("%-18s %s%s", parts[i].what, there ? parts[i].path : "missing; it comes with the Debian package ", there ? "" : parts[i].package));
    }
    lb_map_put(all, "parts", found);
    found = NULL;
    if (cli->json) LB_TRY(cli_json(all));
done:
    lb_value_free(found);
    lb_value_free(all);
    lb_buf_free(&models);
    lb_free(home);
    return st;
}

LB_VERB(doctor) = {.id = "doctor", .title = "the machine, and what was found on it", .source = "", .usage = "doctor [--json]",
                   .help = "Says which processor level the kernels use, how many threads, and which fonts, lists and models are there.", .run = run};
