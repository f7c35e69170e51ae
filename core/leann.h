/* leann.h – the public C API: build, save, open, plan and search storage-saving vector indexes.
 *
 * Life of an index: leann_index_build (or leann_index_open) gives a frozen, immutable index; leann_plan_new fixes
 * the query parameters and the kernels; then any number of threads, each with its own leann_ctx, call leann_search.
 * Every function that can fail returns a leann_status; the sentence that says what was wrong, with the value and the
 * limit, is leann_ctx_error(ctx).
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_H
#define LEANN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEANN_VERSION_MAJOR 0
#define LEANN_VERSION_MINOR 1
#define LEANN_VERSION_PATCH 0

#define LEANN_NONE UINT32_MAX /* "no id": pads answers that are shorter than k */

typedef enum {
    LEANN_OK = 0,
    LEANN_EINVAL,       /* an argument, parameter or configuration is wrong */
    LEANN_ENOMEM,       /* memory ran out, or a size would not fit */
    LEANN_EIO,          /* the operating system refused to read or write */
    LEANN_EFORMAT,      /* a file or message is damaged or not of the format */
    LEANN_ENOTFOUND,    /* no such file, plug-in, data set … */
    LEANN_EUNSUPPORTED, /* a true combination that cannot be done; the sentence says why */
    LEANN_ELIMIT,       /* a stated limit (time, memory, size) was reached */
    LEANN_EINTR         /* cancelled by leann_ctx_cancel */
} leann_status;

/* The word for a status: "ok", "invalid", … Never NULL. */
const char *leann_status_word(leann_status status);

/* ---- contexts -------------------------------------------------------------------------------------------------- */

/* One per thread: holds the error, the seed, scratch memory, the work counters and (lazily) a pool of workers. */
typedef struct leann_ctx leann_ctx;

/* seed: all randomness of a build comes from it. threads: workers for builds (0: as many as there are processors).
 * NULL when memory runs out. */
leann_ctx *leann_ctx_new(uint64_t seed, unsigned threads);
void leann_ctx_free(leann_ctx *ctx);
const char *leann_ctx_error(const leann_ctx *ctx); /* "" when nothing failed */
unsigned leann_ctx_threads(const leann_ctx *ctx);

/* Asks a running call on this context to stop soon with LEANN_EINTR. Safe in a signal handler and from any thread. */
void leann_ctx_cancel(leann_ctx *ctx);

/* what: a short stage word; done of total in units of the stage. Called from one thread at a time, at most ~10 a second. */
typedef void (*leann_progress_fn)(void *arg, const char *what, uint64_t done, uint64_t total);
void leann_ctx_on_progress(leann_ctx *ctx, leann_progress_fn fn, void *arg);

/* ---- rows ------------------------------------------------------------------------------------------------------ */

typedef enum { LEANN_F32 = 0, LEANN_U8, LEANN_I8, LEANN_F16, LEANN_U16, LEANN_U32, LEANN_U64, LEANN_BYTES, LEANN_PAGES } leann_dtype;
typedef enum { LEANN_L2 = 0, LEANN_ANGULAR, LEANN_IP } leann_space;

size_t leann_dtype_bytes(leann_dtype type); /* of one element */
const char *leann_dtype_word(leann_dtype type);
const char *leann_space_word(leann_space space); /* "euclidean", "angular", "ip" */

/* Borrowed rows: row i begins at (const char *)base + i * stride. Best 64-byte aligned, any alignment works.
 * type: F32, U8 or I8. Angular rows that come from leann_dataset_* are unit rows already. */
typedef struct {
    const void *base;
    size_t stride; /* bytes from row to row */
    uint32_t n, d;
    leann_dtype type;
    leann_space space;
} leann_rows;

/* ---- work: what a search cost ----------------------------------------------------------------------------------- */

typedef struct {
    uint64_t dist_comps;    /* distances computed, approximate or exact, each once */
    uint64_t hops;          /* nodes expanded, or lists scanned */
    uint64_t fetches;       /* exact vectors asked for by id */
    uint64_t recomputes;    /* fetches that ran an encoder (or stood for one: replay) */
    uint64_t encoder_calls; /* batches given to an encoder */
    uint64_t cache_hits;
    uint64_t pages;       /* pages of 4 KiB read from a file by the search itself, not through a map */
    uint64_t stage_ns[3]; /* measured inside the search: 0 anchors or graph, 1 codes, 2 exact re-rank */
    uint64_t missing_ppm; /* of the k nearest, how many the method expects to have missed, in millionths of a row; 0: it does not say */
    uint64_t approximate; /* 1: exact vectors could not be had (on_failure: codes), and the answer is by codes */
} leann_work;

/* ---- indexes ---------------------------------------------------------------------------------------------------- */

typedef struct leann_index leann_index;
typedef struct leann_plan leann_plan;

/* Builds an index over rows.
 *   config  YAML or JSON text: {method: anchor, build: {selector: kmeans, anchors: {sqrt_n: 2.5}, …}}; `leann plugins method`
 *           lists the words. Unknown words are errors that name the nearest known one.
 *   errors  EINVAL bad config, n = 0, NaN, Inf, parameters that do not fit n or d; ENOTFOUND an unknown plug-in; EFORMAT config is no
 *           YAML; EUNSUPPORTED; ELIMIT; ENOMEM; EINTR
 *   threads uses ctx's workers; the same seed gives the same bytes for any number of them
 *   rows    are copied or coded as the method needs; the caller may free them afterwards
 * `leann build` opens, plans and searches through this header; it builds by the call inside this one (leann_method_build in core/plugin.h),
 * which takes a data set: labels that a selector may group by, passages, to which the index then refers, and stages of the build kept in a
 * cache. Else the index is the same. */
leann_status leann_index_build(leann_ctx *ctx, leann_rows rows, const char *config, leann_index **out);

/* Writes the index atomically: a temporary file in the same folder, fsync, rename, fsync of the folder.
 *   errors  EIO full disk, read-only folder; ENOTFOUND no such folder; ENOMEM. What was under path before is untouched then */
leann_status leann_index_save(leann_ctx *ctx, const leann_index *index, const char *path);

/* Opens a saved index (memory-mapped; the file must not be changed under it). Every section is checked first.
 *   errors  ENOTFOUND; EIO; EFORMAT damaged, or no index; EUNSUPPORTED written by a later revision; ENOMEM; EINTR */
leann_status leann_index_open(leann_ctx *ctx, const char *path, leann_index **out);
void leann_index_free(leann_index *index);

uint32_t leann_index_size(const leann_index *index);      /* n */
uint32_t leann_index_dimension(const leann_index *index); /* d */
leann_space leann_index_space(const leann_index *index);
/* The canonical configuration (JSON, defaults filled in) that the index was built with; borrowed from the index. */
const char *leann_index_config(const leann_index *index);

/* Fixes query parameters for many searches.
 *   query   YAML or JSON text of the method's query parameters, or NULL for the defaults: {ef_search: 64, rerank: 100}
 *   source  the rows the index was built from, for exact re-ranking by the `replay` fetcher; NULL: no exact vectors at hand. That they
 *           are those rows is not checked beyond their shape and space: bare rows have no name (`leann search` compares the sha256 of
 *           data sets)
 *   errors  EINVAL a bad parameter, a re-rank without source, a source of another shape; EFORMAT query is no YAML; ENOTFOUND an unknown
 *           fetcher; ENOMEM
 *   threads a plan is immutable: any number of contexts may search it at once. index and source must outlive it. */
leann_status leann_plan_new(leann_ctx *ctx, const leann_index *index, const char *query, const leann_rows *source, leann_plan **out);
void leann_plan_free(leann_plan *plan);

/* The k nearest of each query row, as the method judges.
 *   shape   ids (q.n, k), dist (q.n, k) out: closest first, padded with LEANN_NONE / INFINITY; work (q.n) out or NULL
 *   units   dist: Euclidean distance, 1 - cosine, or minus the inner product; approximate where answers come from codes
 *   errors  EINVAL k = 0, k > n, wrong dimension, NaN or Inf in a query, zero query (angular); EIO a fetch failed; ENOMEM; EINTR
 *   threads one context each */
leann_status leann_search(const leann_plan *plan, leann_ctx *ctx, leann_rows queries, uint32_t k, uint32_t *ids, float *dist,
                          leann_work *work);

/* ---- passages ----------------------------------------------------------------------------------------------------- */

enum { LEANN_PATH_BYTES = 8192 };

/* Where the text of a row lies. */
typedef struct {
    char path[LEANN_PATH_BYTES]; /* as a program may open it: not absolute only where the data set does not say what it is relative to */
    uint64_t offset;             /* in that file, in bytes */
    uint32_t bytes;
} leann_reference;

/* The reference of one row, out of the index alone; the file need not be there. Indexes that `leann build` makes of data sets of `leann
 * dataset text` hold them (about 3 bytes a row).
 *   errors  EINVAL id >= n; ENOTFOUND the index holds no references
 *   threads any number, one context each; costs two microseconds */
leann_status leann_index_passage(leann_ctx *ctx, const leann_index *index, uint32_t id, leann_reference *out);

/* Its lines in the file, as long as that holds the passages that were indexed: all those of the file are read and checked.
 *   units   lines from 1 on, ended by newlines
 *   errors  those of leann_index_passage; EIO the file has changed, or cannot be read; ENOTFOUND it is gone: says which; ENOMEM; EINTR
 *   threads any number, one context each */
leann_status leann_index_passage_lines(leann_ctx *ctx, const leann_index *index, uint32_t id, uint64_t *first, uint64_t *last);

/* ---- encoders ----------------------------------------------------------------------------------------------------- */

typedef struct leann_encoder leann_encoder;

/* Any bytes: what is no UTF-8 reads as U+FFFD, as Python's decode(errors="replace") has it. */
typedef struct {
    const char *bytes;
    size_t n;
} leann_text;
typedef enum { LEANN_PASSAGE, LEANN_QUERY } leann_role; /* models may put a prefix before queries */

/* Opens an encoder of text.
 *   config  YAML or JSON text: a word or {word: {parameters}}, as {minilm: {precision: int8}}; `leann plugins encoder` lists them
 *   errors  EINVAL a bad parameter; ENOTFOUND an unknown encoder, or no such model; EFORMAT config is no YAML, or the model is damaged;
 *           EUNSUPPORTED a model of another kind; EIO; ENOMEM
 *   threads an encoder is immutable: any number of contexts may use it at once */
leann_status leann_encoder_new(leann_ctx *ctx, const char *config, leann_encoder **out);
void leann_encoder_free(leann_encoder *encoder); /* NULL: nothing */
uint32_t leann_encoder_dimension(const leann_encoder *encoder);
/* sha256 of all that its vectors depend on but the CPU, 64 hex digits; borrowed. Vectors of different identities are not to be mixed. Of one
 * identity, a CPU gives the same bits always, and CPUs with other instructions nearly the same vectors: between AVX2 and AVX-512 f32 agrees to
 * six digits, bf16 to a cosine of 0.99999 and int8 of 0.9995 on average (0.997 at least, of 29 texts). */
const char *leann_encoder_identity(const leann_encoder *encoder);

/* The vectors of n texts.
 *   shape   x (n, dimension) out
 *   errors  EIO a server does not answer; ENOMEM; EINTR
 *   threads uses ctx's workers; a text has the same bits alone, among others, and with any number of threads */
leann_status leann_encode(const leann_encoder *encoder, leann_ctx *ctx, leann_role role, const leann_text *texts, uint32_t n, float *x);

/* Tokens of each text, as if there were no limit, without the marks at its ends.
 *   shape   tokens (n) out
 *   errors  those of leann_encode */
leann_status leann_count_tokens(const leann_encoder *encoder, leann_ctx *ctx, const leann_text *texts, uint32_t n, uint32_t *tokens);

/* ---- cross-encoders ------------------------------------------------------------------------------------------------ */

typedef struct leann_cross_encoder leann_cross_encoder;

/* Opens a model that reads a query and a passage together, to put the few best passages in order: BERT with a classifier of one label,
 * as cross-encoder/ms-marco-MiniLM-L6-v2 is one.
 *   config  YAML or JSON text: {model: FOLDER, precision: int8}; FOLDER as Hugging Face keeps models, or a packed file; precision f32
 *           (when not given), bf16 or int8
 *   errors  EINVAL a bad parameter; ENOTFOUND no such model; EFORMAT config is no YAML, or the model is damaged; EUNSUPPORTED a model of
 *           another kind: a sentence encoder, a classifier of more labels; EIO; ENOMEM; EINTR
 *   threads a cross-encoder is immutable: any number of contexts may use it at once */
leann_status leann_cross_encoder_new(leann_ctx *ctx, const char *config, leann_cross_encoder **out);
void leann_cross_encoder_free(leann_cross_encoder *cross);                  /* NULL: nothing */
const char *leann_cross_encoder_identity(const leann_cross_encoder *cross); /* sha256 of all that its scores depend on, as an encoder's */

/* How well each of n texts answers a query. What is too long together is cut, the longer of the two first.
 *   shape   score (n) out
 *   units   logits, any real number, larger is better: no sigmoid, which would change no order (sentence-transformers' CrossEncoder
 *           applies one unless the model's configuration says otherwise)
 *   errors  ENOMEM; EINTR; ELIMIT a text of 2^32 tokens
 *   threads uses ctx's workers; a text has the same bits alone, among others, and with any number of threads */
leann_status leann_cross_encode(const leann_cross_encoder *cross, leann_ctx *ctx, leann_text query, const leann_text *texts, uint32_t n,
                                float *score);

#ifdef __cplusplus
}
#endif
#endif
