/* encoder.c – the encoder that --encoder, --model and --precision name.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "core/plugin.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* --encoder WORD or {WORD: {…}}, with --model and --precision put into it. */
static leann_status encoder_config(cli *c, leann_value **out)
{
    const char *text = cli_text(c, "encoder"), *word = NULL, *model = cli_text(c, "model"), *precision = cli_text(c, "precision");
    char full[PATH_MAX];
    leann_status status = leann_config_parse(c->ctx, "--encoder", text, strlen(text), out);
    if (status != LEANN_OK || (!model && !precision)) return status;
    leann_value *params = NULL, *config = leann_value_new_map();
    if (leann_value_type(*out) == LEANN_V_MAP && leann_value_count(*out) == 1)
        params = leann_value_copy(leann_value_entry(*out, 0, &word));
    else
        word = leann_value_text(*out, "");
    if (leann_value_type(params) != LEANN_V_MAP) {
        leann_value_free(params);
        params = leann_value_new_map();
    }
    if (model && strcmp(word, "minilm") == 0 && realpath(model, full)) model = full; /* from wherever it is read later */
    if (model) leann_value_set(params, "model", leann_value_new_text(model));
    if (precision) leann_value_set(params, "precision", leann_value_new_text(precision));
    leann_value_set(config, word, params);
    leann_value_free(*out);
    *out = config;
    return LEANN_OK;
}

leann_status cli_encoder_open(cli *c, leann_encoder **out, char **canonical)
{
    leann_value *config = NULL;
    leann_choice choice = {0};
    leann_status status = encoder_config(c, &config);
    if (status == LEANN_OK) status = leann_choice_new(c->ctx, "encoder", config, &choice);
    if (status == LEANN_OK && canonical) {
        leann_value *v = leann_choice_value(choice);
        *canonical = leann_value_json(v, true, 0);
        leann_value_free(v);
        if (!*canonical) status = LEANN_ENOMEM;
    }
    if (status == LEANN_OK) status = leann_encoder_open(c->ctx, choice, out);
    leann_choice_free(choice);
    leann_value_free(config);
    return status;
}
