/* SPDX-License-Identifier: Apache-2.0 */
/* How an opened model writes text: the search of its generation_config.json, the prompt that Whisper wants, and the way from tokens back to text. */
#ifndef LB_CLI_WRITER_H
#define LB_CLI_WRITER_H
#include "nn/generate.h"
#include "text/tokenizer.h"

/* What a user may ask for; zero and NULL = as the model's folder says. */
typedef struct cli_writing {
    int64_t beams, max_new;
    const char *language; /* "en"; NULL or "auto" = the likeliest of the sound */
    bool translate;       /* to English, rather than transcribe */
} cli_writing;

typedef struct cli_writer {
    lb_generate_spec spec;
    int64_t *suppress, *begin_suppress; /* what spec points to */
    const lb_tokenizer *tokenizer; /* borrowed */
    /* Prompt of a network with memory; ids, -1 = has none */
    int64_t start, transcribe, translate, no_timestamps;
    int64_t *languages, language_count;
} cli_writer;

/** From generation_config.json and config.json (Hugging Face's keys, CTranslate2's) of a folder; the tokenizer must live as long. `memory`: the decoder attends
 *  to an encoder. LB_E_NOTFOUND, LB_E_UNSUPPORTED with the reason when it cannot write. */
LB_MUST_USE lb_status cli_writer_open(cli_writer **out, const char *folder, const lb_value *config, const lb_tokenizer *tokenizer, bool memory);
void cli_writer_close(cli_writer *w);
/** Prompts [N,*length] (new, lb_free) for memory [N,S,C]: start, language, task, no timestamps, of those that the model has. LB_E_ARG for a language that it
 *  does not know. The tape is reset when a language is to be found out. */
LB_MUST_USE lb_status cli_writer_prompts(int64_t **ids, int64_t *length, const cli_writer *w, const cli_writing *how, lb_model *m, lb_tape *t, const lb_tensor *memory);
/** Appends the text of each of N prompts to texts[n]. The tape is left reset. */
LB_MUST_USE lb_status cli_writer_run(lb_buf *const *texts, const cli_writer *w, const cli_writing *how, lb_model *m, lb_tape *t, const lb_prompts *prompts);

#endif
