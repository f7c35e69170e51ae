/* selector_kmeans.c – the m centroids of all rows, or the rows nearest to them: O(iterations n m d) by products.
 *
 * Source: k-means++: Arthur & Vassilvitskii 2007; Lloyd 1982.
 *
 * SPDX-License-Identifier: MIT */
#include "strategies/centres.h"

typedef struct {
    uint32_t iterations, samples;
    int output, start;
} kmeans_params;

static const leann_param table[] = {
    LEANN_PARAM_INT(kmeans_params, iterations, 0, 1000, "20", "Lloyd rounds at most"),
    LEANN_PARAM_INT(kmeans_params, samples, 0, 4294967294.0, "0", "rows trained on, drawn by seed; 0: all"),
    LEANN_PARAM_WORD(kmeans_params, output, "centroids|medoids", "centroids", "means, or the rows nearest to them"),
    LEANN_PARAM_LATE_WORD(kmeans_params, start, "kmeans++|random", "kmeans++",
                          "rows that lie far apart, or rows drawn alike: less coverage, but lists of more even size"),
    LEANN_PARAM_END,
};

static leann_status pick(leann_ctx *ctx, const leann_dataset *data, uint32_t m, const void *params, leann_anchors *out)
{
    const kmeans_params *p = params;
    leann_status status = leann_centres_new(ctx, m, data->train.d, out);
    if (status) return status;
    leann_kmeans_options options = {
        .k = m, .iterations = p->iterations, .samples = p->samples, .stage = "selector kmeans", .random = p->start == 1};
    return leann_centres_of(ctx, data->train, options, p->output == 1, out->rows, out->ids);
}

extern const leann_selector_type leann_selector_kmeans;
const leann_selector_type leann_selector_kmeans = {
    .common = {.name = "kmeans",
               .revision = 2,
               .about = "centroids of Lloyd's k-means, or their medoids",
               .source = "Lloyd 1982; start: Arthur & Vassilvitskii 2007",
               .params = table,
               .params_size = sizeof(kmeans_params)},
    .select = pick,
};
