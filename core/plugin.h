/* plugin.h – all contracts: what an anchor selector, a graph, a quantiser, a fetcher and a method must provide.
 *
 * The picture: a *method* is a whole index. It is composed of a *selector* (which anchors), a *graph* (topology over rows
 * or anchors), a *quantiser* (row -> code -> distance) and, at query time, a *fetcher* (id -> exact vector at a price).
 * Builders make frozen things; frozen things are immutable; a plan binds a frozen index to query parameters; any number of
 * contexts search one plan. Inside, one key orders everything: squared L2 or minus the inner product, smaller is closer.
 *
 * Every kind is a const struct whose first member is the common part. One file, one exported symbol, one config word, one line
 * in core/plugins.def. Wrappers (core/plugin.c) validate once and count; plug-ins only assert.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_PLUGIN_H
#define LEANN_PLUGIN_H

#include "core/params.h"
#include "core/references.h"

struct leann_plugin {
    const char *name;          /* the config word */
    int revision;              /* goes up when the same parameters give other bytes or other answers */
    const char *about;         /* one line */
    const char *source;        /* paper and algorithm number */
    const leann_param *params; /* NULL: none */
    size_t params_size;
};

typedef enum { LEANN_SELECTOR, LEANN_GRAPH, LEANN_QUANTIZER, LEANN_ENCODER, LEANN_FETCHER, LEANN_METHOD, LEANN_KINDS } leann_kind;
const char *leann_kind_word(leann_kind kind); /* "selector", "graph", … */
leann_status leann_kind_find(leann_ctx *ctx, const char *word, leann_kind *out);
/* All of a kind, in registry order. */
size_t leann_plugin_count(leann_kind kind);
const leann_plugin *leann_plugin_at(leann_kind kind, size_t i);
/* By config word; NULL with ENOTFOUND that names the nearest. */
const leann_plugin *leann_plugin_find(leann_ctx *ctx, leann_kind kind, const char *word);

/* ---- the data a build sees ------------------------------------------------------------------------------------------ */

typedef struct leann_passages leann_passages; /* below, with the encoders */
typedef struct leann_dataset leann_dataset;
struct leann_dataset {
    const char *name;          /* "" when built from bare rows */
    const char *sha;           /* sha256 of the rows, hex; "" when not known (then no stage is cached) */
    leann_rows train;          /* angular: unit rows */
    leann_rows test;           /* n = 0 when there is none */
    const uint32_t *neighbors; /* (test.n, gt_k) exact ids, or NULL */
    uint32_t gt_k;
    bool lasting; /* the rows outlive the index, and that is only saved: it may hold them where they are, in their own type */
    /* Labels of the train rows by the name of an HDF5 dataset, made 0 … *count - 1 in order of first appearance; owned by the data
     * set. NULL member: there are none. */
    leann_status (*labels)(const leann_dataset *self, leann_ctx *ctx, const char *name, const uint32_t **label, uint32_t *count);
    /* The texts that the train rows came of; owned by the data set. NULL member: there are none; ENOTFOUND: there are none in its file. */
    leann_status (*passages)(const leann_dataset *self, leann_ctx *ctx, const leann_passages **out);
    void *owner;
};

/* ---- spans and scorers ------------------------------------------------------------------------------------------------ */

/* ids NULL: the run [first, first + n). owner: the node or list whose COMPLETE list this is, or LEANN_NONE. */
typedef struct {
    uint32_t owner, first, n;
    const uint32_t *ids;
} leann_span;

/* One query against one resident store; lives in a context's scratch; cannot fail. */
typedef struct leann_scorer leann_scorer;
struct leann_sieve; /* core/sieve.h */
struct leann_scorer {
    /* key (span.n) out. cut: keys that are certainly above it may come back as any value above it. low: NULL or (span.n) out. */
    void (*score)(leann_scorer *self, leann_span span, float cut, float *key, float *low);
    void (*prefetch)(const leann_scorer *self, leann_span span); /* the span may be scored soon; may be NULL */
    /* NULL, or: pushes those rows of a run that may be among the k nearest of a query, with their keys, into its sieve; of several
     * queries at once, whose scorers are of one kind over one store, and whose sieves are for one k. */
    void (*sift)(leann_scorer *const *self, struct leann_sieve *top, uint32_t queries, leann_span run);
    /* Codes lie beside the lists: give it owner spans and drop visited ones after; key then has room for a multiple of 32. */
    bool whole_lists;
    bool has_low; /* low <= true key at a stated confidence */
    uint64_t dist_comps;
};

/* Row against row, for builds. Fixed tiles, so that the bits do not depend on the number of threads. Immutable: any context. */
typedef struct leann_oracle leann_oracle;
struct leann_oracle {
    uint32_t n, d;
    /* key (b.n) out: squared L2 between row a and the rows of b. cut: keys certainly above it may come back as any value above it. */
    void (*list)(const leann_oracle *self, uint32_t a, leann_span b, float cut, float *key);
    /* One query row (d floats) against the rows of b. */
    void (*row)(const leann_oracle *self, const float *x, leann_span b, float *key);
    /* A product tile: key (a.n, b.n) out. Both spans are runs or id lists. */
    leann_status (*block)(const leann_oracle *self, leann_ctx *ctx, leann_span a, leann_span b, float *key);
    leann_rows rows;
};

/* ---- selectors ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t m, d;
    float *rows;   /* (m, d), heap */
    uint32_t *ids; /* (m) the train row an anchor is, or LEANN_NONE where it is none (centroids); heap */
} leann_anchors;
void leann_anchors_free(leann_anchors *anchors); /* what it holds, not itself */

typedef struct {
    leann_plugin common;
    /* m anchors of data->train, in L2; 1 <= m <= n is checked by the wrapper. Facts go to leann_ctx_fact.
     * All rows equal, or fewer distinct rows than m: still m anchors (repeats are fine). */
    leann_status (*select)(leann_ctx *ctx, const leann_dataset *data, uint32_t m, const void *params, leann_anchors *out);
} leann_selector_type;
/* Checks m, selects, and frees what a failed plug-in left. *out: the caller's (leann_anchors_free).
 *   errors  EINVAL m = 0 or m > n; the selector's own */
leann_status leann_select(leann_ctx *ctx, leann_choice selector, const leann_dataset *data, uint32_t m, leann_anchors *out);

/* ---- graphs -------------------------------------------------------------------------------------------------------------- */

typedef struct leann_graph leann_graph; /* core/graph.h: one topology for all builders, and the walk over it */
typedef struct {
    leann_plugin common;
    /* The topology over the oracle's rows. Same seed, same links for any number of threads. */
    leann_status (*build)(leann_ctx *ctx, const leann_oracle *oracle, const void *params, leann_graph **out);
    /* What leann_graph_save will write for n nodes: adds its sections. seed: levels are drawn from it. */
    void (*predict)(uint64_t n, uint64_t seed, const void *params, leann_ledger *ledger);
    uint32_t (*default_ef)(const void *params); /* ef_search when a query does not say */
    uint32_t (*slots)(const void *params);      /* links a node has on level 0 at most; 0: no edges */
} leann_graph_type;

/* ---- quantisers ---------------------------------------------------------------------------------------------------------- */

typedef struct leann_quantizer leann_quantizer;
typedef struct leann_quantizer_type leann_quantizer_type;
typedef struct leann_beside leann_beside; /* core/beside.h: codes of whole neighbour lists */
struct leann_quantizer {                  /* trained; the type's own struct begins with this */
    const leann_quantizer_type *type;
    uint32_t d, code_bytes;
};
/* n codes of stride bytes. list_off (lists + 1) and bias (n), NULL unless residual: code i of list l is x - a_l. */
typedef struct {
    const uint8_t *code;
    size_t stride;
    uint32_t n, lists;
    const uint32_t *list_off;
    const float *bias; /* |r|² + 2<a, r> under L2, 0 under inner product: made at load by leann_quantizer_bias */
    leann_space space;
    const uint8_t *packed;      /* the same codes as the type's pack lays them out, or NULL */
    const leann_beside *beside; /* the same codes beside the lists of a graph (core/beside.h), or NULL */
} leann_codes;
/* Codes as columns of 4 bits, each of which a key has one look-up of: code 2j lies in the low half of byte skip + j. */
typedef struct {
    uint32_t m, skip; /* m 0: they are none */
    bool scaled;      /* codes have factors of their own */
} leann_columns;
struct leann_quantizer_type {
    leann_plugin common;
    leann_status (*train)(leann_ctx *ctx, leann_rows sample, const void *params, leann_quantizer **out);
    leann_status (*encode)(leann_ctx *ctx, const leann_quantizer *self, leann_rows rows, uint8_t *code); /* (n, code_bytes) */
    void (*decode)(const leann_quantizer *self, leann_ctx *ctx, const uint8_t *code, size_t stride, uint32_t n, float *x); /* (n, d); when
                     * scratch ran out, ctx holds ENOMEM and x is not to be used */
    /* A scorer for query q (d floats) in ctx's scratch. base (lists), residual only: |q - a|² (L2) or -<q, a> (inner product).
     * Plain: key = |q - x̂|² or -<q, x̂>. Residual: key = base[owner] + bias[i] - 2<q, r_i>, one look-up table a query; spans then
     * must be runs inside one list, with owner = that list. A quantiser may know more of |q - x|² than x̂ tells: under L2 a key may
     * differ from |q - x̂|² by a constant of the row, of at most |x - x̂|². */
    leann_scorer *(*prepare)(const leann_quantizer *self, leann_ctx *ctx, const leann_codes *codes, const float *q, const float *base);
    /* A second layout of all codes, made at build and load for the scorers of runs: *packed on the heap, the caller's; NULL where nothing
     * is won by it. Keys do not depend on it. The member may be NULL. */
    leann_status (*pack)(leann_ctx *ctx, const leann_quantizer *self, const leann_codes *codes, uint8_t **packed);
    /* For codes beside neighbour lists: key = plus + times * sum of look-ups, with what terms says of a code (times is not read where codes
     * are not scaled); tables are the scorer's that prepare makes where codes->beside is set. Plain codes only. The members may be NULL. */
    leann_columns (*columns)(uint32_t d, const void *params);
    void (*terms)(const leann_quantizer *self, leann_space space, const uint8_t *code, float *plus, float *times);
    leann_status (*save)(const leann_quantizer *self, leann_writer *w);
    leann_status (*open)(leann_ctx *ctx, const leann_reader *r, uint32_t d, const void *params, leann_quantizer **out);
    void (*free)(leann_quantizer *self);
    /* What one code takes, and what save adds, for dimension d. EINVAL here says which parameters do not fit d or n
     * (sub_vectors that do not divide d: names those that do). */
    leann_status (*check)(leann_ctx *ctx, uint64_t n, uint32_t d, const void *params);
    uint32_t (*code_bytes)(uint32_t d, const void *params);
    void (*predict)(uint64_t n, uint32_t d, const void *params, leann_ledger *ledger);
    uint32_t (*training_rows)(uint64_t n, uint32_t d, const void *params); /* how many sample rows train wants */
};

/* ---- encoders ------------------------------------------------------------------------------------------------------------- */

typedef struct leann_encoder_type leann_encoder_type;
struct leann_encoder { /* immutable; the type's own struct begins with this */
    const leann_encoder_type *type;
    uint32_t d, best_batch;
    uint32_t max_tokens; /* of a text with the marks at its ends: what is beyond is cut off */
    leann_space space;   /* angular where its vectors are unit vectors */
    char identity[65];   /* sha256 of all that its vectors depend on, hex: weights, tokenizer, pooling, prefix, lengths, precision */
};
struct leann_encoder_type {
    leann_plugin common;
    leann_status (*open)(leann_ctx *ctx, const void *params, leann_encoder **out);
    /* x (n, d) out. A text has the same bits alone, among others, and with any number of threads. In parallel. */
    leann_status (*encode)(const leann_encoder *self, leann_ctx *ctx, leann_role role, const leann_text *texts, uint32_t n, float *x);
    /* Tokens (n) out of each text, without the marks at its ends and without a limit; the count of a text is the sum of those of its
     * parts where it is cut at white space. */
    leann_status (*count)(const leann_encoder *self, leann_ctx *ctx, const leann_text *texts, uint32_t n, uint32_t *tokens);
    void (*free)(leann_encoder *self);
};
/* leann_encoder_new, the choice made: it is only read. */
leann_status leann_encoder_open(leann_ctx *ctx, leann_choice encoder, leann_encoder **out);

/* Texts by id, for who makes vectors of them again. */
struct leann_passages {
    uint32_t n;
    const char *encoder;  /* what made their vectors, {WORD: {…}} as JSON */
    const char *identity; /* and its identity */
    /* text (n) out, in ctx's scratch or for as long as the passages live.
     *   errors  EINVAL an id >= n; EIO a file that one refers to has changed, ENOTFOUND it is gone: says which */
    leann_status (*read)(const leann_passages *self, leann_ctx *ctx, const uint32_t *ids, uint32_t n, leann_text *text);
    const leann_reference_columns *columns; /* where they lie in files; NULL: not known */
};

/* ---- fetchers ------------------------------------------------------------------------------------------------------------- */

typedef struct leann_fetcher leann_fetcher;
typedef struct leann_fetcher_type leann_fetcher_type;
struct leann_fetcher {
    const leann_fetcher_type *type;
    uint32_t n, d, best_batch;
};
struct leann_fetcher_type {
    leann_plugin common;
    /* data: the set that the source rows are the train rows of, NULL where that is not known; both outlive the fetcher. */
    leann_status (*open)(leann_ctx *ctx, const leann_rows *source, const leann_dataset *data, const void *params, leann_fetcher **out);
    /* Asks for n vectors; collect waits for them until deadline_ns (leann_now_ns; 0: for ever). out: (n, d) F32 rows in the order
     * asked, in ctx's scratch. A fetcher is immutable and shared; what a ticket needs lives in ctx. Counts fetches and recomputes. */
    leann_status (*submit)(const leann_fetcher *self, leann_ctx *ctx, const uint32_t *ids, uint32_t n, uint64_t *ticket);
    leann_status (*collect)(const leann_fetcher *self, leann_ctx *ctx, uint64_t ticket, int64_t deadline_ns, leann_rows *out);
    void (*free)(leann_fetcher *self);
    bool encodes; /* a fetch runs an encoder: a query takes what that takes, and is timed once */
};

/* ---- stages: parts of a build that several cells of a sweep share ---------------------------------------------------------- */

/* A stage is a pure function of (key, data, seed, ISA level, BLAS): its result is kept in a cache folder under the hash of those and of the
 * number of threads, with the seconds and the memory it took and the facts it stated, so that build_s is the sum of the stages, and the peak
 * of a build the highest of theirs, whether or not they came from the cache. */
typedef struct leann_stages leann_stages;
typedef struct {
    const char *name; /* "anchors", "assignment", "graph", "held-out", "codes" */
    leann_value *key; /* words, revisions and parameters of this stage and of what it rests on; leann_stages_run takes it over */
    leann_status (*make)(leann_ctx *ctx, void *arg, void **object);
    leann_status (*save)(const void *object, leann_writer *w);
    leann_status (*open)(leann_ctx *ctx, leann_reader *r, void *arg, void **object); /* may keep the reader */
} leann_stage;
/* folder NULL: nothing is cached, seconds are still taken. */
leann_status leann_stages_new(leann_ctx *ctx, const char *folder, const char *data_sha, leann_stages **out);
void leann_stages_free(leann_stages *stages);
/* Which kept stages will do, since seconds are measurements: those of this program (borrowed; NULL: of any), made at since_ns (as
 * leann_date_ns; 0: whenever) or later. Others are made again. */
void leann_stages_accept(leann_stages *stages, const char *program, int64_t since_ns);
/* stages NULL: just makes the object. A cached file that is damaged is made again. */
leann_status leann_stages_run(leann_stages *stages, leann_ctx *ctx, leann_stage stage, void *arg, void **object);
/* [{name, seconds, peak_rss_bytes, rss_anon_bytes, cached, facts: {…}}] in the order run, and "not_kept": a sentence where a stage could
 * not be cached; the caller frees it. */
leann_value *leann_stages_report(const leann_stages *stages);
/* The most memory that this process held since its last leann_rss_reset, or that a cached stage's did while it was made; anon: at the end
 * of a stage, or now. Zeros when a cached stage does not know its own. */
leann_rss leann_stages_rss(const leann_stages *stages);
/* Deletes the files of a cache folder (*.stage, *.leann, and temporary files that a killed writer left an hour ago) that were used
 * longest ago until at most max_bytes are left. Those in use stay readable to who has them open.
 *   errors  EIO; a folder that is not there holds nothing */
leann_status leann_stages_trim(leann_ctx *ctx, const char *folder, uint64_t max_bytes);

/* ---- methods --------------------------------------------------------------------------------------------------------------- */

typedef struct leann_method_type leann_method_type;
struct leann_index { /* frozen; the method's own struct begins with this */
    const leann_method_type *type;
    uint32_t n, d;
    leann_dtype source_type;
    leann_space space;
    uint64_t seed;
    char data_sha[65];            /* of the rows it was built from, as leann_dataset.sha; "" when not known */
    char encoder[65];             /* the identity of what made them, of a data set with passages; "" when not known */
    void *params;                 /* the build parameters, owned */
    char *config;                 /* canonical JSON {method, build}, owned */
    leann_references *references; /* where the rows' texts lie, owned; NULL: not known */
    leann_reader *reader;         /* NULL when built in memory */
};
struct leann_plan { /* immutable; the method's own struct begins with this */
    const leann_index *index;
    void *params;              /* the query parameters, owned */
    const leann_rows *source;  /* NULL: none given; angular: unit rows */
    const leann_dataset *data; /* what source are the train rows of, where that is known */
    leann_fetcher *fetcher;    /* opened by the method's plan, NULL when it needs none; the wrapper frees it */
    bool codes_will_do;        /* where a fetch fails the answer is by codes, and work says so; else the query fails */
    leann_rows source_rows;    /* what source points to */
    float *source_unit;        /* the wrapper's */
    uint32_t batch_from;       /* queries that search_batch takes at least; UINT32_MAX: all go to search. The method's plan may raise it */
};

/* What measures may look at. NULL or 0 where the method has no such thing. */
typedef struct {
    leann_rows anchors;       /* F32 (m, d) */
    const uint32_t *list_off; /* (m + 1) */
    const leann_graph *graph;
    const leann_quantizer *quantizer;
    bool residual;
} leann_inside;

struct leann_method_type {
    leann_plugin common;      /* params: build parameters */
    const leann_param *query; /* query parameters, apart */
    size_t query_size;
    const char *const *levels;    /* (3) build parameters of `complexity: low | medium | high`, as JSON; NULL: it has no such levels */
    size_t index_size, plan_size; /* of the method's own structs: the wrapper allocates them zeroed and fills the common part */
    leann_status (*build)(leann_ctx *ctx, const leann_dataset *data, leann_stages *stages, leann_index *self);
    leann_status (*save)(const leann_index *self, leann_writer *w); /* the wrapper has written the manifest */
    leann_status (*open)(leann_ctx *ctx, leann_reader *r, leann_index *self);
    void (*free)(leann_index *self);                        /* what it holds, not itself; called after a failed build or open too */
    leann_status (*plan)(leann_ctx *ctx, leann_plan *self); /* may be NULL */
    void (*plan_free)(leann_plan *self);                    /* may be NULL */
    /* One query of d floats (angular: unit). At most k answers: ids and keys, closest first; *found says how many. Its work is
     * counted in leann_ctx_work(ctx). The wrapper pads, turns keys into distances and resets the scratch. */
    leann_status (*search)(const leann_plan *self, leann_ctx *ctx, const float *q, uint32_t k, uint32_t *ids, float *key, uint32_t *found);
    /* The answers of search to n queries (n, d) at once: ids and key (n, k), found (n), work (n) out. NULL, or n below batch_from: each
     * goes to search. */
    leann_status (*search_batch)(const leann_plan *self, leann_ctx *ctx, const float *q, uint32_t n, uint32_t k, uint32_t *ids, float *key,
                                 uint32_t *found, leann_work *work);
    uint32_t batch_from; /* 2 at least where there is a search_batch: a plan's to begin with */
    void (*inside)(const leann_index *self, leann_inside *out);
    /* x̂ of rows ids, as answers from codes see it, (n, d); NULL member: the method keeps the exact vectors. */
    leann_status (*decode)(const leann_index *self, leann_ctx *ctx, const uint32_t *ids, uint32_t n, float *x);
    leann_status (*check)(leann_ctx *ctx, uint64_t n, uint32_t d, leann_space space, const void *params); /* before a build; may be NULL */
    void (*predict)(uint64_t n, uint32_t d, leann_dtype type, leann_space space, uint64_t seed, const void *params, leann_ledger *ledger);
};

#define LEANN_METHOD_OF_LEVELS "frugal"

/* leann_plan_new with the train rows of a data set for source: its passages come with them. */
leann_status leann_plan_over(leann_ctx *ctx, const leann_index *index, const char *query, const leann_dataset *data, leann_plan **out);

/* config: {method: WORD, build: {…}, complexity: low | medium | high} as a value; a level is a shorthand for build parameters, over which
 * those of build go, and makes the method LEANN_METHOD_OF_LEVELS where none is named. stages NULL: none. This is what leann_index_build and
 * the sweeps both call. */
leann_status leann_method_build(leann_ctx *ctx, const leann_dataset *data, const leann_value *config, leann_stages *stages,
                                leann_index **out);
/* Checks the configuration against n and d, and predicts the file's ledger, manifest included, without any data. */
leann_status leann_method_predict(leann_ctx *ctx, uint32_t n, uint32_t d, leann_dtype type, leann_space space, const leann_value *config,
                                  leann_ledger *ledger);
/* The same for a data set that may have passages, whose references every index over it holds. */
typedef struct {
    uint32_t n, d;
    leann_dtype type;
    leann_space space;
    leann_references_shape references; /* n = 0: none */
} leann_data_shape;
leann_status leann_method_predict_over(leann_ctx *ctx, const leann_data_shape *data, const leann_value *config, leann_ledger *ledger);
/* That shape of an open data set.
 *   errors  those of its passages, but that it has none */
leann_status leann_data_shape_of(leann_ctx *ctx, const leann_dataset *data, leann_data_shape *out);
/* The configuration with defaults filled in; *canonical is the caller's. */
leann_status leann_method_config(leann_ctx *ctx, const leann_value *config, leann_value **canonical);
leann_status leann_method_query(leann_ctx *ctx, const char *method, const leann_value *query, leann_value **canonical);
/* sha256 of the labels that a choice, or all of a configuration, names (LEANN_PARAM_LABELS), as the data set numbers them; "" when none
 * is named, or bare rows have none. Labels may change while the rows keep their sha256: who keeps results by that one keeps this beside it.
 *   errors  those of the data set's labels */
leann_status leann_choice_labels(leann_ctx *ctx, leann_choice choice, const leann_dataset *data, char hex[65]);
leann_status leann_method_labels(leann_ctx *ctx, const leann_value *config, const leann_dataset *data, char hex[65]);
/* {"method anchor": 1, "selector kmeans": 2, …}: the revision of every plug-in that a configuration and (NULL: none) a query name. */
leann_status leann_method_revisions(leann_ctx *ctx, const leann_value *config, const leann_value *query, leann_value **out);
/* Adds to out, a map as above, the plug-ins that a choice's parameters name, not the choice itself. */
void leann_choice_revisions(leann_ctx *ctx, leann_choice choice, leann_value *out);

#endif
