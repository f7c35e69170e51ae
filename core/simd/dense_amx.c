/* dense_amx.c – dense.h for AMX: products of bf16 and of bytes by tiles of 16 x 16 sums, the rest as with AVX-512 and BF16.
 *
 * Two tiles of rows by two panels at once: four tiles loaded for four products. Sums go through 4 KiB of stack to become results. Rows are
 * read as they lie, up to 31 beyond the last.
 *
 * Cost: 16 cycles a tile product, 8,192 multiply-adds of bf16 or 16,384 of bytes.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/dense_tables.h"

#if defined(__x86_64__)
#include "core/simd/dense_avx512.h"
#include "core/simd/dense_body.h"

PRODUCT(product_f32, F32)

enum { TILE = 16, BLOCK = 2 * TILE, TILE_BYTES = 1024, AHEAD = 2 * TILE_BYTES };

typedef struct __attribute__((packed)) { /* as LDTILECFG reads it */
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_shapes;

void leann_tiles_on(void)
{
    tile_shapes shapes = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shapes.row_bytes[i] = TILE * sizeof(uint32_t);
        shapes.rows[i] = TILE;
    }
    __asm__ volatile("" : : "r"(&shapes) : "memory"); /* gcc 12 takes the instruction for a read of eight bytes, and leaves out the rest */
    _tile_loadconfig(&shapes);
}

#define STEP(instruction)                                                                                                                  \
    for (size_t t = 0; t < p->units; t += TILE, a += TILE * sizeof(uint32_t), b += TILE * COLUMNS * sizeof(uint32_t)) {                    \
        for (size_t byte = 0; byte < TILE_BYTES; byte += 64) {                                                                             \
            _mm_prefetch(b + AHEAD + byte, _MM_HINT_T0);                                                                                   \
            if (wide) _mm_prefetch(b + next + AHEAD + byte, _MM_HINT_T0);                                                                  \
        }                                                                                                                                  \
        _tile_loadd(6, b, COLUMNS * sizeof(uint32_t));                                                                                     \
        _tile_loadd(4, a, p->stride);                                                                                                      \
        instruction(0, 4, 6);                                                                                                              \
        if (wide) {                                                                                                                        \
            _tile_loadd(7, b + next, COLUMNS * sizeof(uint32_t));                                                                          \
            instruction(1, 4, 7);                                                                                                          \
        }                                                                                                                                  \
        if (tall) {                                                                                                                        \
            _tile_loadd(5, a + TILE * p->stride, p->stride);                                                                               \
            instruction(2, 5, 6);                                                                                                          \
            if (wide) instruction(3, 5, 7);                                                                                                \
        }                                                                                                                                  \
    }

/* Rows [i, i + 32) by columns [j, j + 32), fewer where there are no more. Sums that are results as they are go where those belong. */
INLINE void tiles(const leann_product *p, size_t i, size_t j, const bool tall, const bool wide, const operand op)
{
    _Alignas(64) float sum[BLOCK * BLOCK];
    const char *a = (const char *)p->rows + i * p->stride, *b = (const char *)p->panels + j * p->units * sizeof(uint32_t);
    const size_t next = COLUMNS * p->units * sizeof(uint32_t), rows = tall ? BLOCK : TILE, panels = wide ? 2 : 1;
    const bool plain = op == BF16 && !p->bias && !p->gelu && !p->out_bf16 && i + rows <= p->m;
    float *out = plain ? (float *)(void *)((char *)p->out + i * p->out_stride) + j : sum;
    const size_t line = plain ? p->out_stride : panels * COLUMNS * sizeof *sum, below = TILE * line / sizeof *sum;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (op == BF16) {
        STEP(_tile_dpbf16ps)
    } else {
        STEP(_tile_dpbusd)
    }
    _tile_stored(0, out, line);
    if (wide) _tile_stored(1, out + TILE, line);
    if (tall) _tile_stored(2, out + below, line);
    if (tall && wide) _tile_stored(3, out + below + TILE, line);
    if (!plain) (op == U8 ? finish_u8 : finish_bf16)(p, i, j, rows, panels, sum);
}

INLINE void tile_product(const leann_product *p, const operand op)
{
    leann_tiles_on();
    for (size_t i = 0; i < p->m; i += BLOCK)
        for (size_t j = 0; j < p->n; j += BLOCK) {
            const bool tall = p->m - i > TILE;
            if (p->n - j > COLUMNS)
                tall ? tiles(p, i, j, true, true, op) : tiles(p, i, j, false, true, op);
            else
                tall ? tiles(p, i, j, true, false, op) : tiles(p, i, j, false, false, op);
        }
    _tile_release();
}

static void product_bf16(const leann_product *p)
{
    tile_product(p, BF16);
}
static void product_u8(const leann_product *p)
{
    tile_product(p, U8);
}

const leann_dense_kernels leann_dense_amx = DENSE_TABLE("amx", BLOCK, true, product_bf16, product_u8);
#else
typedef int leann_no_dense_amx; /* ISO C wants a declaration */
#endif
