/* params.h – a plug-in's table of parameters: it makes the parser, the validation, --help and the README's tables.
 *
 * A plug-in declares a plain struct and a table that says where each parameter goes:
 *
 *     typedef struct { uint32_t iterations; int output; } kmeans_params;
 *     static const leann_param table[] = {
 *         LEANN_PARAM_INT(kmeans_params, iterations, 1, 1000, "20", "Lloyd rounds"),
 *         LEANN_PARAM_WORD(kmeans_params, output, "centroids|medoids", "centroids", "what the anchors are"),
 *         LEANN_PARAM_END };
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_PARAMS_H
#define LEANN_PARAMS_H

#include "core/value.h"

typedef enum {
    LEANN_P_INT,   /* uint32_t */
    LEANN_P_REAL,  /* double */
    LEANN_P_BOOL,  /* bool */
    LEANN_P_WORD,  /* int: the index into words "a|b|c" */
    LEANN_P_TEXT,  /* const char *: borrowed from the params */
    LEANN_P_COUNT, /* leann_count: a number or {sqrt_n: x} */
    LEANN_P_PLUGIN /* leann_choice: WORD or {WORD: {parameter: value}}; words names the kind */
} leann_param_type;

/* A size that may follow the data: leann_count_of gives the number for n rows, rounded to nearest, at least 1, at most n. */
typedef struct {
    double value;
    bool per_sqrt_n;
} leann_count;
uint32_t leann_count_of(leann_count count, uint32_t n);

typedef struct leann_plugin leann_plugin;
typedef struct {
    const leann_plugin *plugin; /* NULL only where the table's preset is "none-given" */
    const void *params;         /* that plug-in's struct */
} leann_choice;

typedef struct {
    const char *name;
    leann_param_type type;
    size_t offset;
    double min, max;    /* INT, REAL, COUNT: inclusive */
    const char *preset; /* the default as YAML text: "20", "medoids", "{sqrt_n: 2.5}" */
    const char *words;  /* WORD: the words; PLUGIN: the kind; TEXT: NULL, or "labels" when it names labels of the data set */
    const char *help;   /* one line, units included */
    bool late;          /* younger than files of its plug-in: where it is the preset (0, or that word) it is named nowhere, so that they stand */
} leann_param;

#define LEANN_PARAM_INT(S, F, LO, HI, PRESET, HELP) {#F, LEANN_P_INT, offsetof(S, F), LO, HI, PRESET, NULL, HELP, false}
#define LEANN_PARAM_REAL(S, F, LO, HI, PRESET, HELP) {#F, LEANN_P_REAL, offsetof(S, F), LO, HI, PRESET, NULL, HELP, false}
#define LEANN_PARAM_BOOL(S, F, PRESET, HELP) {#F, LEANN_P_BOOL, offsetof(S, F), 0, 1, PRESET, NULL, HELP, false}
#define LEANN_PARAM_WORD(S, F, WORDS, PRESET, HELP) {#F, LEANN_P_WORD, offsetof(S, F), 0, 0, PRESET, WORDS, HELP, false}
#define LEANN_PARAM_TEXT(S, F, PRESET, HELP) {#F, LEANN_P_TEXT, offsetof(S, F), 0, 0, PRESET, NULL, HELP, false}
#define LEANN_PARAM_LABELS(S, F, PRESET, HELP) {#F, LEANN_P_TEXT, offsetof(S, F), 0, 0, PRESET, "labels", HELP, false}
#define LEANN_PARAM_COUNT(S, F, PRESET, HELP) {#F, LEANN_P_COUNT, offsetof(S, F), 1, 4294967294.0, PRESET, NULL, HELP, false}
#define LEANN_PARAM_PLUGIN(S, F, KIND, PRESET, HELP) {#F, LEANN_P_PLUGIN, offsetof(S, F), 0, 0, PRESET, KIND, HELP, false}
#define LEANN_PARAM_LATE_INT(S, F, LO, HI, HELP) {#F, LEANN_P_INT, offsetof(S, F), LO, HI, "0", NULL, HELP, true}
#define LEANN_PARAM_LATE_PLUGIN(S, F, KIND, PRESET, HELP) {#F, LEANN_P_PLUGIN, offsetof(S, F), 0, 0, PRESET, KIND, HELP, true}
#define LEANN_PARAM_LATE_WORD(S, F, WORDS, PRESET, HELP) {#F, LEANN_P_WORD, offsetof(S, F), 0, 0, PRESET, WORDS, HELP, true}
#define LEANN_PARAM_END {NULL, LEANN_P_INT, 0, 0, 0, NULL, NULL, NULL, false}

/* given (a map, or NULL for all defaults) -> a heap struct of size bytes. where names the place in errors ("graph hnsw"). A null stands for
 * "none given" where the preset is none or "none-given"; elsewhere it is of the wrong type.
 *   errors  EINVAL unknown name (names the nearest), wrong type, out of range (names value and limits) */
leann_status leann_params_new(leann_ctx *ctx, const char *where, const leann_param *table, size_t size, const leann_value *given,
                              void **out);
void leann_params_free(const leann_param *table, void *params);
bool leann_param_left_out(const leann_param *p, const void *params); /* late, and at its preset */
/* The whole struct as a map, defaults filled in, choices as {word: {…}}: canonical, goes into manifests and hashes. A late parameter at
 * its preset is left out. */
leann_value *leann_params_value(const leann_param *table, const void *params);
/* One choice alone, {word: {…}} or just "word" when it has no parameters. */
leann_value *leann_choice_value(leann_choice choice);
/* Parses WORD or {WORD: {…}} of a kind; free with leann_choice_free. */
leann_status leann_choice_new(leann_ctx *ctx, const char *kind, const leann_value *given, leann_choice *out);
void leann_choice_free(leann_choice choice);

#endif
