/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/operator.h"

lb_status onnx_make_fast(lb_onnx *m) { return LB_OK; }
