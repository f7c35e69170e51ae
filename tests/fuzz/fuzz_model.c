/* fuzz_model.c – a Hugging Face folder with one file of any bytes, which the first byte chooses; it has no weights, so that reading it always
 * fails, at the latest for that.
 *
 * SPDX-License-Identifier: MIT */
#include "core/container.h"
#include "datasets/wheel.h"
#include "encoders/minilm_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/leann-fuzz-model-XXXXXX";
static const char *const usual[][2] =
    {/* NULL: no such file but for the fuzzer's */
     {"config.json",
      "{\"model_type\": \"bert\", \"hidden_act\": \"gelu\", \"vocab_size\": 12, \"hidden_size\": 64, \"num_hidden_layers\": 2,"
      " \"num_attention_heads\": 2, \"intermediate_size\": 128, \"max_position_embeddings\": 20}"},
     {"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n##s\n"},
     {"modules.json", "[{\"path\": \"\", \"type\": \"a.Transformer\"}, {\"path\": \"1_Pooling\", \"type\": \"a.Pooling\"}]"},
     {"1_Pooling/config.json", "{\"word_embedding_dimension\": 64, \"pooling_mode_mean_tokens\": true}"},
     {"tokenizer.json", NULL},
     {"tokenizer_config.json", NULL},
     {"sentence_bert_config.json", NULL},
     {"config_sentence_transformers.json", NULL},
     {"README.md", NULL}};
enum { FILES = sizeof usual / sizeof *usual };

static void put(const char *name, const void *data, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = data ? fopen(path, "wb") : NULL;
    if (data && (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0)) abort();
    if (!data) unlink(path);
}

static void put_usual(size_t i)
{
    put(usual[i][0], usual[i][1], usual[i][1] ? strlen(usual[i][1]) : 0);
}

static void remove_folder(void)
{
    leann_folder_remove(folder);
}

static leann_ctx *begin(void)
{
    char path[256];
    leann_ctx *ctx = leann_ctx_new(1, 1);
    if (!ctx || !mkdtemp(folder) || atexit(remove_folder) != 0) abort();
    snprintf(path, sizeof path, "%s/1_Pooling", folder);
    if (leann_folder_make(ctx, path) != LEANN_OK) abort();
    for (size_t i = 0; i < FILES; i++) put_usual(i);
    return ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static leann_ctx *ctx;
    leann_folder read;
    if (!ctx) ctx = begin();
    if (size < 1) return 0;
    size_t chosen = data[0] % FILES;
    leann_ctx_clear(ctx);
    put(usual[chosen][0], data + 1, size - 1);
    if (leann_folder_read(ctx, folder, &read) == LEANN_OK || read.set || !leann_ctx_error(ctx)[0]) abort();
    put_usual(chosen);
    return 0;
}
