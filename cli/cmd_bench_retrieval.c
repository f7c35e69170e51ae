/* cmd_bench_retrieval.c – `leann bench retrieval`: how well exact dense search, BM25 and their fusion find the passages that answer.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cli/cli.h"
#include "eval/retrieval.h"

extern const cli_command cli_bench_retrieval;

enum { SETS_MAX = 16 };

/* What a set's rankings are compared with: dense of the first set where the texts are the same, else dense of its own. */
static const leann_retrieval *base_of(const leann_retrieval *set, const leann_retrieval *first)
{
    return leann_retrieval_pairs(set, first) ? first : set;
}

static const uint32_t agreement_k[] = {3, 10, 100};
enum { AGREEMENTS = sizeof agreement_k / sizeof *agreement_k };

/* ---- JSON ----------------------------------------------------------------------------------------------------------------------- */

static leann_value *interval_value(leann_interval x)
{
    leann_value *v = leann_value_new_map();
    leann_value_set(v, "value", leann_value_new_real(x.value));
    leann_value_set(v, "lo", leann_value_new_real(x.lo));
    leann_value_set(v, "hi", leann_value_new_real(x.hi));
    return v;
}

static leann_status ranking_value(leann_ctx *ctx, const leann_retrieval *set, const leann_retrieval *base, leann_ranking k,
                                  leann_value *list)
{
    leann_value *v = leann_value_new_map();
    leann_status status = LEANN_OK;
    leann_value_set(v, "ranking", leann_value_new_text(leann_ranking_words[k]));
    for (leann_retrieval_measure m = 0; m < LEANN_RETRIEVAL_MEASURES && status == LEANN_OK; m++) {
        leann_interval mean, difference;
        status = leann_retrieval_mean(ctx, set, k, m, &mean);
        if (status == LEANN_OK) status = leann_retrieval_difference(ctx, set, k, base, LEANN_DENSE, m, &difference);
        if (status != LEANN_OK) break;
        leann_value *one = interval_value(mean);
        leann_value_set(one, "difference", interval_value(difference));
        leann_value_set(v, leann_retrieval_measure_words[m], one);
    }
    leann_value_append(list, v);
    return status;
}

/* {"3": interval, …}: how much of base's dense lists the set's hold. */
static leann_status agreement_value(leann_ctx *ctx, const leann_retrieval *set, const leann_retrieval *base, leann_value *v)
{
    leann_status status = LEANN_OK;
    for (int i = 0; i < AGREEMENTS && status == LEANN_OK; i++) {
        char word[16];
        leann_interval share;
        snprintf(word, sizeof word, "%u", agreement_k[i]);
        status = leann_retrieval_agreement(ctx, set, base, agreement_k[i], &share);
        if (status == LEANN_OK) leann_value_set(v, word, interval_value(share));
    }
    return status;
}

static leann_status print_json(leann_ctx *ctx, const leann_retrieval *set, unsigned sets)
{
    leann_value *list = leann_value_new_list(), *all = leann_value_new_map();
    leann_status status = LEANN_OK;
    for (unsigned i = 0; i < sets && status == LEANN_OK; i++) {
        const leann_retrieval *base = base_of(set + i, set);
        leann_value *v = leann_value_new_map(), *rankings = leann_value_new_list(), *agreement = leann_value_new_map();
        leann_value_set(v, "set", leann_value_new_text(set[i].name));
        leann_value_set(v, "encoder", leann_value_new_text(set[i].encoder));
        leann_value_set(v, "encoder_identity", leann_value_new_text(set[i].identity));
        leann_value_set(v, "texts_sha256", leann_value_new_text(set[i].texts));
        leann_value_set(v, "passages", leann_value_new_int(set[i].n));
        leann_value_set(v, "queries", leann_value_new_int(set[i].queries));
        leann_value_set(v, "queries_of", leann_value_new_int(set[i].of));
        leann_value_set(v, "compared_with", leann_value_new_text(base->name));
        for (leann_ranking k = 0; k < LEANN_RANKINGS && status == LEANN_OK; k++) status = ranking_value(ctx, set + i, base, k, rankings);
        if (status == LEANN_OK) status = agreement_value(ctx, set + i, base, agreement);
        leann_value_set(v, "rankings", rankings);
        leann_value_set(v, "dense_agreement", agreement);
        leann_value_append(list, v);
    }
    leann_value_set(all, "sets", list);
    if (status == LEANN_OK)
        cli_print_json(all);
    else
        leann_value_free(all);
    return status;
}

/* ---- tables --------------------------------------------------------------------------------------------------------------------- */

static void print_interval(leann_interval x, bool sign)
{
    char text[64];
    snprintf(text, sizeof text, sign ? "%+.3f [%+.3f, %+.3f]" : "%.3f [%.3f, %.3f]", x.value, x.lo, x.hi);
    printf("  %24s", text);
}

static leann_status print_means(leann_ctx *ctx, const leann_retrieval *set)
{
    leann_interval x;
    leann_status status = LEANN_OK;
    printf("%-8s  %24s  %24s  %24s  %24s  %24s  %24s\n", "", "nDCG@10", "MRR@10", "recall@1", "recall@3", "recall@10", "recall@100");
    for (leann_ranking k = 0; k < LEANN_RANKINGS; k++) {
        printf("%-8s", leann_ranking_words[k]);
        for (leann_retrieval_measure m = 0; m < LEANN_RETRIEVAL_MEASURES && status == LEANN_OK; m++) {
            status = leann_retrieval_mean(ctx, set, k, m, &x);
            if (status == LEANN_OK) print_interval(x, false);
        }
        printf("\n");
    }
    return status;
}

static leann_status print_differences(leann_ctx *ctx, const leann_retrieval *set, const leann_retrieval *base)
{
    leann_interval x;
    leann_status status = LEANN_OK;
    printf("minus dense%s%s:\n", base == set ? "" : " of ", base == set ? "" : base->name);
    for (leann_ranking k = base == set ? LEANN_BM25 : LEANN_DENSE; k < LEANN_RANKINGS; k++) {
        printf("%-8s", leann_ranking_words[k]);
        for (leann_retrieval_measure m = 0; m < LEANN_RETRIEVAL_MEASURES && status == LEANN_OK; m++) {
            status = leann_retrieval_difference(ctx, set, k, base, LEANN_DENSE, m, &x);
            if (status == LEANN_OK) print_interval(x, true);
        }
        printf("\n");
    }
    if (base == set || status != LEANN_OK) return status;
    printf("nearest of dense of %s that its own hold:", base->name);
    for (int i = 0; i < AGREEMENTS && status == LEANN_OK; i++) {
        status = leann_retrieval_agreement(ctx, set, base, agreement_k[i], &x);
        if (status == LEANN_OK) printf("%s of %u %.4f [%.4f, %.4f]", i ? "," : "", agreement_k[i], x.value, x.lo, x.hi);
    }
    printf("\n");
    return status;
}

static leann_status print_tables(leann_ctx *ctx, const leann_retrieval *set, unsigned sets)
{
    leann_status status = LEANN_OK;
    for (unsigned i = 0; i < sets && status == LEANN_OK; i++) {
        printf("%s%s: %u passages, %u of %u queries, encoder %.12s…\n", i ? "\n" : "", set[i].name, set[i].n, set[i].queries, set[i].of,
               set[i].identity);
        status = print_means(ctx, set + i);
        if (status == LEANN_OK) status = print_differences(ctx, set + i, base_of(set + i, set));
    }
    return status;
}

/* ---- the command ------------------------------------------------------------------------------------------------------------------ */

static leann_status run(cli *c)
{
    leann_retrieval set[SETS_MAX] = {0};
    leann_status status = LEANN_OK;
    for (unsigned i = 0; i < c->words && status == LEANN_OK; i++)
        status = leann_retrieval_run(c->ctx, cli_word(c, i), cli_flag(c, "all"), i ? set : NULL, set + i);
    cli_progress_clear();
    if (status == LEANN_OK) status = cli_flag(c, "json") ? print_json(c->ctx, set, c->words) : print_tables(c->ctx, set, c->words);
    for (unsigned i = 0; i < c->words; i++) leann_retrieval_free(set + i);
    return status;
}

static const cli_option options[] = {{"all", CLI_FLAG, NULL, "judge all queries, not the report half of the fixed split alone", NULL, 0, 0},
                                     {"json", CLI_FLAG, NULL, "print JSON", NULL, 0, 0},
                                     CLI_OPTION_END};

const cli_command cli_bench_retrieval = {"bench retrieval",
                                         "SET.hdf5…",
                                         "how well dense search, BM25 and both together find what answers",
                                         "  leann bench retrieval python.hdf5\n"
                                         "  leann bench retrieval python-f32.hdf5 python-bf16.hdf5 python-int8.hdf5 --json\n"
                                         "\n"
                                         "Sets are made by `leann dataset text … --queries FILE`, of queries that say where their answers "
                                         "lie, as scripts/corpora makes them: every\n"
                                         "passage that overlaps those lines is relevant. dense: exact, by the set's vectors; bm25: "
                                         "SQLite's FTS5, words of tokenizer unicode61,\n"
                                         "k1 = 1.2, b = 0.75, any word of the query; hybrid: reciprocal rank fusion of the first 100 of "
                                         "both, k = 60. In brackets: 95 % bootstrap\n"
                                         "intervals over queries. Differences are paired by query: to dense of the first set, where the "
                                         "texts are the same, else of the set itself.\n"
                                         "Of the queries, half (the fixed split's) is left for tuning and not judged.\n",
                                         1,
                                         SETS_MAX,
                                         options,
                                         run};
