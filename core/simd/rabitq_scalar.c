/* rabitq_scalar.c – whole-number products with codes of 1, 2 and 4 bits, and the Walsh-Hadamard transform, in plain C: the oracle of the
 * other rabitq files.
 *
 * Sums of whole numbers are exact; the only rounding is that of the sum to float. A butterfly is one addition and one subtraction, so that
 * every set gives the same bits. Cost: two multiply-adds a component; n log n additions.
 *
 * SPDX-License-Identifier: MIT */
#include "core/simd/tables.h"

static float ip(unsigned bits, const int8_t *high, const int8_t *low, const uint8_t *code, size_t d)
{
    size_t bytes = d * bits / 8, j = 0;
    int32_t high_sum = 0, low_sum = 0; /* 65536 * 15 * 128 < 2³¹ */
    for (unsigned shift = 0; shift < 8; shift += bits)
        for (size_t i = 0; i < bytes; i++, j++) {
            int32_t component = code[i] >> shift & ((1 << bits) - 1);
            high_sum += high[j] * component;
            low_sum += low[j] * component;
        }
    return (float)(256 * (int64_t)high_sum + low_sum);
}

#define LIST(bits)                                                                                                                         \
    void leann_ip_i16_u##bits##_list_scalar(const int8_t *high, const int8_t *low, leann_list rows, size_t d, float *out)                  \
    {                                                                                                                                      \
        for (uint32_t i = 0; i < rows.n; i++) out[i] = ip(bits, high, low, leann_list_row(&rows, i), d);                                   \
    }
LIST(1)
LIST(2)
LIST(4)

void leann_hadamard_f32_scalar(float *x, size_t n)
{
    for (size_t half = 1; half < n; half *= 2)
        for (size_t i = 0; i < n; i += 2 * half)
            for (size_t j = i; j < i + half; j++) {
                float a = x[j], b = x[j + half];
                x[j] = a + b;
                x[j + half] = a - b;
            }
}
