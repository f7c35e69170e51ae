/* encode.c – the encoder of leann.h: the vectors of the texts on the command line, and how near they are to the first.
 *
 *     cc encode.c $(pkg-config --cflags --libs leann) && ./a.out '{minilm: {precision: int8}}' 'a text' 'another text'
 *
 * SPDX-License-Identifier: MIT */
#include <leann.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    leann_encoder *encoder = NULL;
    leann_text *texts = NULL;
    float *x = NULL;
    int code = 1;
    const uint32_t n = argc > 2 ? (uint32_t)argc - 2 : 0;
    leann_ctx *ctx = leann_ctx_new(1, 1); /* one thread */
    if (!ctx || n == 0 || leann_encoder_new(ctx, argv[1], &encoder) != LEANN_OK) goto done;

    const uint32_t d = leann_encoder_dimension(encoder);
    texts = malloc(n * sizeof *texts), x = malloc((size_t)n * d * sizeof *x);
    if (!texts || !x) goto done;
    for (uint32_t i = 0; i < n; i++) texts[i] = (leann_text){argv[i + 2], strlen(argv[i + 2])};
    if (leann_encode(encoder, ctx, LEANN_PASSAGE, texts, n, x) != LEANN_OK) goto done;
    for (uint32_t i = 0; i < n; i++) {
        double product = 0; /* of unit vectors: the cosine */
        for (uint32_t j = 0; j < d; j++) product += (double)x[j] * (double)x[(size_t)i * d + j];
        printf("%.4f  %s\n", product, argv[i + 2]);
    }
    code = 0;
done:
    if (code) fprintf(stderr, "encode: %s\n", n ? leann_ctx_error(ctx) : "usage: encode CONFIG TEXT…");
    free(texts);
    free(x);
    leann_encoder_free(encoder);
    leann_ctx_free(ctx);
    return code;
}
