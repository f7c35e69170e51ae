/* parts.h – what whole indexes are put together from: kept vectors, inverted lists, trained codes and the exact re-rank.
 * A part knows how it is made (through a shared stage), saved, opened, predicted and freed.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_PARTS_H
#define LEANN_PARTS_H

#include <math.h>

#include "core/beam.h"
#include "core/beside.h"
#include "core/files.h"
#include "core/pages.h"
#include "core/product.h"
#include "core/sieve.h"

/* The plug-in of a choice, as its own type. */
static inline const leann_graph_type *leann_graph_of(leann_choice choice)
{
    return (const leann_graph_type *)choice.plugin;
}
static inline const leann_quantizer_type *leann_quantizer_of(leann_choice choice)
{
    return (const leann_quantizer_type *)choice.plugin;
}
static inline const leann_fetcher_type *leann_fetcher_of(leann_choice choice)
{
    return (const leann_fetcher_type *)choice.plugin;
}

/* ---- links: a graph over rows, built as a shared stage -------------------------------------------------------------------------- */

/* Over rows as they are, lifted where the space needs it. */
leann_status leann_links_over_rows(leann_ctx *ctx, leann_stages *stages, leann_rows rows, leann_choice graph, leann_graph **out);
/* rows: lifted already. over: what the rows are, in words of the stages below; taken over. */
leann_status leann_links_make(leann_ctx *ctx, leann_stages *stages, leann_rows rows, leann_choice graph, leann_value *over,
                              leann_graph **out);

/* Packs level 0 of a graph over rows (core/edges.h); bisected: their order is made first, as a shared stage.
 *   errors  EINVAL links take more than there is room for: says how many bits; ENOMEM, EINTR */
enum { LEANN_ORDER_ROWS, LEANN_ORDER_BISECTED }; /* the words of LEANN_ORDER_WORDS */
#define LEANN_ORDER_WORDS "rows|bisected"
leann_status leann_links_pack(leann_ctx *ctx, leann_stages *stages, leann_choice graph, int order, uint64_t bytes, leann_graph *links);

/* Scores rows [0, n) in runs and pushes those that matter into top: the scan of methods without lists. Several queries take turns at each run,
 * which the first of them has brought into the cache; their sieves are for one k. Work is the caller's to count. */
void leann_scan_all(leann_scorer *const *scorer, leann_sieve *top, uint32_t queries, uint32_t n);

/* ---- kept vectors: (n, d) in the source's own type or as floats ------------------------------------------------------------ */

typedef enum {
    LEANN_KEEP_SOURCE,
    LEANN_KEEP_F32,
    LEANN_KEEP_NONE
} leann_keep; /* the words of LEANN_KEEP_WORDS; none: where a method can */
#define LEANN_KEEP_WORDS "source|f32"
leann_dtype leann_keep_type(leann_dtype source, leann_keep keep);

typedef struct {
    leann_rows rows;
    void *owned;      /* NULL when mapped or the data set's */
    leann_dtype type; /* as saved */
} leann_vectors;

/* n items of `bytes` that lie `stride` apart, as one section without gaps. */
leann_status leann_packed_save(leann_writer *w, const char *name, leann_part part, leann_dtype type, uint32_t n, size_t bytes,
                               const void *base, size_t stride);

/* The rows of a section, heap, `stride` apart; the file's pages leave resident memory. *copy: the caller's after a failure too.
 *   errors  ENOMEM, EINTR */
leann_status leann_settle(leann_ctx *ctx, const leann_reader *r, const char *name, size_t stride, void **copy);

/* A copy of the train rows, in the order of ids (NULL: their own; lasting rows then stay where they are). In parallel.
 *   errors  ENOMEM, EINTR */
leann_status leann_vectors_take(leann_ctx *ctx, const leann_dataset *data, const uint32_t *ids, leann_keep keep, leann_vectors *out);
leann_status leann_vectors_save(const leann_vectors *vectors, leann_writer *w);
/* The rows where the file has them.
 *   errors  EFORMAT no such section, another shape, numbers that are not finite, zero rows (angular) */
leann_status leann_vectors_open(leann_ctx *ctx, const leann_reader *r, uint32_t n, uint32_t d, leann_space space, leann_vectors *out);
/* Copies mapped rows to where jumping about in them is cheap: huge pages, each row at the start of a cache line.
 *   errors  ENOMEM, EINTR */
leann_status leann_vectors_settle(leann_ctx *ctx, const leann_reader *r, leann_vectors *vectors);
void leann_vectors_free(leann_vectors *vectors);
void leann_vectors_predict(uint64_t n, uint32_t d, leann_dtype source, leann_keep keep, leann_ledger *ledger);

/* ---- inverted lists: which rows belong to which anchor ------------------------------------------------------------------------ */

typedef struct {
    uint32_t m, d;       /* d: of the anchors; one more than the rows' under inner product, where anchors live in the lifted space */
    uint32_t n, longest; /* rows; the longest list */
    const float *anchor; /* (m, d) */
    const uint32_t *off; /* (m + 1) */
    const uint8_t *ids;  /* (n) packed in bits each: slot -> row, ascending inside a list */
    unsigned bits;
    void *owned[3];
} leann_lists;

/* Anchors by a selector, the nearest one of every row (both shared stages), and the lists of them.
 *   selector, m  in: how anchors are chosen, and how many
 *   owner, order (n) out: the list of each row, the row of each slot; key: the words that lists rest on, for the stages above. All heap, and
 *                the caller's after a failure too: leann_listing_free
 *   errors       the selector's; ENOMEM, EINTR */
typedef struct {
    leann_choice selector;
    uint32_t m;
    uint32_t *owner, *order;
    leann_value *key;
} leann_listing;
leann_status leann_lists_over_rows(leann_ctx *ctx, leann_stages *stages, const leann_dataset *data, leann_listing *listing,
                                   leann_lists *out);
void leann_listing_free(leann_listing *listing);
leann_status leann_lists_save(const leann_lists *lists, leann_writer *w);
/* The lists where the file has them; ids and offsets are checked to name every row once.
 *   errors  EFORMAT, ENOMEM */
leann_status leann_lists_open(leann_ctx *ctx, const leann_reader *r, uint32_t m, uint32_t d, uint32_t n, leann_lists *out);
void leann_lists_free(leann_lists *lists);
void leann_lists_predict(uint64_t n, uint32_t m, uint32_t d, leann_ledger *ledger);
/* The anchors as a query sees them: the first d coordinates, keyed in the index's own space. */
leann_rows leann_lists_anchors(const leann_lists *lists, uint32_t d, leann_space space);
leann_status leann_lists_check(leann_ctx *ctx, const char *what, leann_count count, uint64_t n); /* before a build: m <= n */

/* The nearest anchors of a query by a scan of all of them, in ctx's scratch.
 *   *probes   in: how many are wanted, out: how many there are; hit.id is the list, hit.key its key, closest first
 *   errors    ENOMEM */
leann_status leann_lists_probe(leann_ctx *ctx, const leann_lists *lists, uint32_t d, leann_space space, const float *q, uint32_t *probes,
                               leann_hit **list);
/* Scores every slot of the given lists and pushes rows into top. Counts hops and distances. */
leann_status leann_lists_scan(leann_ctx *ctx, const leann_lists *lists, leann_scorer *scorer, const leann_hit *list, uint32_t probes,
                              leann_sieve *top);
/* Row -> slot, (n), in ctx's scratch: for measures, not for searches. */
uint32_t *leann_lists_slots(leann_ctx *ctx, const leann_lists *lists);
/* The list that slot belongs to: O(log m). */
uint32_t leann_lists_owner(const leann_lists *lists, uint32_t slot);

/* The dimension in which anchors are chosen and rows assigned. */
static inline uint32_t leann_build_dimension(uint32_t d, leann_space space)
{
    return space == LEANN_IP ? d + 1 : d;
}

/* ---- codes: a trained quantiser and the codes of all rows ------------------------------------------------------------------------ */

typedef struct {
    leann_quantizer *quantizer;
    leann_codes codes; /* in list order where there are lists, else in row order */
    bool residual;
    void *owned_code, *owned_bias, *owned_packed;
    float *length; /* (n) |x̂|, where keys are turned into those of x̂ / |x̂|; else NULL */
    leann_beside *beside;
    leann_reader *reader; /* the stage's file that the quantiser may point into, or NULL */
} leann_coded;

/* What a build codes: rows as they are, or minus the anchor that owns them. */
typedef struct {
    leann_rows rows;
    leann_choice quantizer;
    const leann_lists *lists; /* NULL: codes in row order, never residual */
    const uint32_t *owner;    /* (n) */
    const uint32_t *order;    /* (n) row of each slot */
    const leann_value *key;   /* words of the stages that lists rest on; borrowed */
    bool residual;
} leann_coding;
/* The rows that a quantiser is trained on, ascending: *ids (*n), heap, the caller's. ENOMEM. */
leann_status leann_coded_sample(leann_ctx *ctx, leann_rows rows, leann_choice quantizer, uint32_t **ids, uint32_t *n);
/* Trains on a sample, encodes all rows (one shared stage) and puts the codes into list order.
 *   errors  EINVAL the quantiser's; ENOMEM, EINTR. *out may hold something then: leann_coded_free
 *   threads in parallel; same seed, same bytes for any number */
leann_status leann_coded_make(leann_ctx *ctx, leann_stages *stages, const leann_coding *coding, leann_coded *out);
/* Mean |x - x̂|² of held-out rows after training on others: what `residual: auto` decides by. A shared stage too. */
leann_status leann_coded_heldout(leann_ctx *ctx, leann_stages *stages, const leann_coding *coding, double *error);
leann_status leann_coded_save(const leann_coded *coded, leann_writer *w);
/* Quantiser and codes where the file has them; makes the bias of residual codes. Errors as leann_coded_make, and EFORMAT. */
leann_status leann_coded_open(leann_ctx *ctx, const leann_reader *r, leann_choice quantizer, uint32_t d, leann_space space,
                              const leann_lists *lists, uint32_t n, bool residual, leann_coded *out);
/* Lays the codes out a second time where the quantiser scans runs faster so: for methods that score runs. Memory, never the file.
 *   errors  ENOMEM, EINTR */
leann_status leann_coded_pack(leann_ctx *ctx, leann_coded *coded);
/* Angular rows are unit vectors, but x̂ is shorter the less a code knows of its row, and by its own length a key is off. Where lengths matter
 * (a thousandth or more) they are kept, and the best by key of a scan are those by cosine. (109,846 passages, opq of 24 bytes: the best 20 by
 * distance to x̂ hold 0.88 of the nearest 3, by cosine 0.93.) Not for residual codes. Memory: a float a row, never the file.
 *   errors  ENOMEM */
leann_status leann_coded_measure(leann_ctx *ctx, leann_coded *coded);
/* The `most` best rows by key of at most LEANN_SCAN_TOGETHER queries (queries, d), whose scans share a pass over all codes.
 *   shape   hit[i] (n[i]) out, ascending, in ctx's scratch; most >= 1, as many as there are rows at most
 *   errors  ENOMEM */
enum { LEANN_SCAN_TOGETHER = 8 }; /* their tables of 98 x 256 floats fit the second cache beside a run of codes */
leann_status leann_coded_nearest(leann_ctx *ctx, const leann_coded *coded, const float *q, uint32_t queries, uint32_t most, leann_hit **hit,
                                 uint32_t *n);
/* As leann_vectors_settle, for codes that are jumped about in: a row at the start of a cache line where that costs a quarter at most. */
leann_status leann_coded_settle(leann_ctx *ctx, const leann_reader *r, leann_coded *coded);
/* Lays the codes beside the lists of a graph as well: for walks. Memory, never the file. columns: the quantiser's, not of 0.
 *   errors  ENOMEM, EINTR */
leann_status leann_coded_beside(leann_ctx *ctx, leann_coded *coded, leann_columns columns, const leann_graph *graph);
void leann_coded_free(leann_coded *coded);
void leann_coded_predict(uint64_t n, uint32_t d, leann_choice quantizer, leann_ledger *ledger);
/* A query's scorer over the codes, in ctx's scratch; base (lists) where the codes are residual, else NULL. */
leann_scorer *leann_coded_scorer(leann_ctx *ctx, const leann_coded *coded, const float *q, const float *base);
/* x̂ of slots, (n, d), anchors added back. */
leann_status leann_coded_decode(const leann_coded *coded, leann_ctx *ctx, const leann_lists *lists, const uint32_t *slots, uint32_t n,
                                float *x);

/* ---- nodes on pages: a graph that stays on disk, with the vectors beside the links where they are kept ---------------------------------- */

/* A node is its vector (padded to 4 bytes; absent without vectors), its degree and its links (slots), both u32: node_bytes. Nodes are
 * numbered by *place*: node p lies in page group p / per_page, which is `span` pages: several nodes on one page, or one node on several. */
typedef struct {
    leann_graph graph;  /* of places; its links are NULL: they lie on the pages */
    leann_rows vectors; /* what the vectors are; base NULL. stride 0: none are kept */
    uint32_t node_bytes, per_page, span;
    const uint8_t *ids; /* place -> row, packed in bits each */
    unsigned bits;
    leann_pages pages;
    leann_draft spool; /* the pages of a built index; all zero when they are a file's */
    void *owned;
} leann_nodes;

/* Puts nodes that are linked on the same page and writes them to a spool. graph: over rows; keep: what of the rows.
 *   *order    (n) the row of each place; heap, the caller's
 *   errors    EIO the spool cannot be written; ENOMEM, EINTR. *out may hold something then: leann_nodes_free
 *   threads   in parallel; the same bytes for any number */
leann_status leann_nodes_make(leann_ctx *ctx, const leann_graph *graph, leann_rows rows, leann_keep keep, leann_nodes *out,
                              uint32_t **order);
leann_status leann_nodes_save(const leann_nodes *nodes, leann_writer *w); /* in blocks of 1 MiB: no second copy in memory */
/* rows: n, d, space and type of the source, base unused. Checks the head and the order; what lies on a page is checked when it is read.
 *   errors  EFORMAT, ENOMEM, EIO */
leann_status leann_nodes_open(leann_ctx *ctx, const leann_reader *r, leann_rows rows, leann_keep keep, uint32_t slots, leann_nodes *out);
void leann_nodes_free(leann_nodes *nodes);
void leann_nodes_predict(uint64_t n, uint32_t d, leann_dtype source, leann_keep keep, uint32_t slots, leann_ledger *ledger);
/* Row -> place, (n), in ctx's scratch: for measures, not for searches. */
uint32_t *leann_nodes_places(leann_ctx *ctx, const leann_nodes *nodes);

typedef struct {
    leann_effort effort;
    leann_io io;
    const char *cache; /* the first `cached` page groups, in memory; NULL: none */
    uint32_t cached;
} leann_nodes_query;
/* The walk over the pages, in the order of the coarse scorer's keys (of places).
 *   *hit, *found  rows, closest first, in ctx's scratch: with vectors the k nearest by exact key of all that lie on the pages that were read,
 *                 else the candidates by coarse key
 *   errors        EFORMAT a node that no program wrote; EIO; ENOMEM; EINTR
 *   memory        at most 4 MiB of pages, more only where a beam needs it */
leann_status leann_nodes_search(leann_ctx *ctx, const leann_nodes *nodes, leann_scorer *coarse, leann_nodes_query query, const float *q,
                                uint32_t k, leann_hit **hit, uint32_t *found);

/* ---- the exact re-rank ---------------------------------------------------------------------------------------------------------- */

/* Opens the fetcher of a plan that re-ranks `rerank` candidates; EINVAL when there are no source rows to fetch from. */
leann_status leann_rerank_plan(leann_ctx *ctx, leann_plan *plan, leann_choice fetcher, uint32_t rerank);
/* What a query does when a fetch fails: a parameter of methods that have codes to answer by; their plan sets codes_will_do. */
#define LEANN_PARAM_ON_FAILURE(S)                                                                                                          \
    LEANN_PARAM_WORD(S, on_failure, "error|codes", "error",                                                                                \
                     "when exact vectors cannot be had: the query fails, or it is answered by codes and marked as approximate")
/* Whether the query goes on without exact vectors: then the failure is forgotten and work is marked. */
bool leann_codes_will_do(leann_ctx *ctx, const leann_plan *plan, leann_status failure);
/* Exact keys of the rows that several queries want, by the plan's fetcher: each row is fetched once, in the fetcher's best batches.
 *   shape   wanted (queries): hit (n) with ids in, keys out; fetched grows by the rows that no query before it wants
 *   errors  the fetcher's; ENOMEM */
typedef struct {
    const float *q;
    leann_hit *hit;
    uint32_t n;
    uint64_t fetched;
} leann_wanted;
leann_status leann_fetch_wanted(leann_ctx *ctx, const leann_plan *plan, leann_wanted *wanted, uint32_t queries);
/* The k best of n sorted hits: as they are, or, where the plan has a fetcher, by their exact keys. hit (n) is overwritten. */
leann_status leann_rerank(leann_ctx *ctx, const leann_plan *plan, const float *q, leann_hit *hit, uint32_t n, uint32_t k, uint32_t *ids,
                          float *key, uint32_t *found);

#endif
