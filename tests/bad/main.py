# SPDX-License-Identifier: Apache-2.0
# Bad input and bad luck, as a user meets them: every message names the file and line or key, the other items go on, nothing finished is
# lost, the same command goes on.  main.py [NAME...] runs some of the cases.
import sys
from common import finish, make_models
from files import lists, others, recipes, weights, wrong_hash
from interrupt import caching, crashing, training
from pictures import pictures, training_pictures

cases = [pictures, training_pictures, lists, recipes, weights, wrong_hash, others, training, caching, crashing]
try:
    make_models()
    for case in cases:
        if not sys.argv[1:] or case.__name__ in sys.argv[1:]: case()
finally:
    finish()
