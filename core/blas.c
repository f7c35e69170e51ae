/* blas.c – the door to OpenBLAS: float products C (m, n) = alpha A B + beta C in O(m n k), and the Procrustes rotation in O(d³).
 *
 * OpenBLAS is told to use one thread, once; workers call it on tiles of their own. LEANN_ISA=scalar takes the plain product and
 * the plain SVD below, whose order of operations is written out, so that their bits are the same on every machine.
 *
 * Source: Goto & van de Geijn 2008 (OpenBLAS); Procrustes: Schönemann 1966; plain SVD: one-sided Jacobi, Hestenes 1958.
 * Differs: the plain product sums over k strictly in order; it is 16 columns wide so that the compiler can use vectors without
 *   changing that order.
 *
 * SPDX-License-Identifier: MIT */
#include "core/product.h"
#include "core/simd/kernels.h"

#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* LAPACK's own symbol: Debian's OpenBLAS carries it, but no header declares it. */
void dgesdd_(const char *jobz, const blasint *m, const blasint *n, double *a, const blasint *lda, double *s, double *u, const blasint *ldu,
             double *vt, const blasint *ldvt, double *work, const blasint *lwork, blasint *iwork, blasint *info);
void dsyevd_(const char *jobz, const char *uplo, const blasint *n, double *a, const blasint *lda, double *w, double *work,
             const blasint *lwork, blasint *iwork, const blasint *liwork, blasint *info);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool plain;
static char name[64];

static void start(void)
{
    plain = strcmp(leann_kernels_get()->name, "scalar") == 0;
    if (plain) {
        snprintf(name, sizeof name, "plain product");
        return;
    }
    openblas_set_num_threads(1);
    char version[24] = "";
    sscanf(openblas_get_config(), "%*s %23s", version); /* "OpenBLAS 0.3.21 NO_LAPACKE …" */
    snprintf(name, sizeof name, "OpenBLAS %s %s", version, openblas_get_corename());
}

const char *leann_blas_name(void)
{
    pthread_once(&once, start);
    return name;
}

/* ---- the plain product ------------------------------------------------------------------------------------------------ */

enum { ROWS = 64, COLS = 16, DEPTH = 256 };
typedef struct { /* element (i, l) of an operand is at[i * row + l * col] */
    const float *at;
    size_t row, col;
} operand;

/* sum (h, COLS) += A (h, depth) panel (depth, COLS), each sum in the order of depth. */
static void plain_panel(operand a, size_t h, size_t depth, const float *panel, float *sum)
{
    for (size_t i = 0; i < h; i++) {
        float *s = sum + i * COLS;
        for (size_t l = 0; l < depth; l++) {
            float x = a.at[i * a.row + l * a.col];
            for (size_t j = 0; j < COLS; j++) s[j] += x * panel[l * COLS + j];
        }
    }
}

/* A (m, k), B (k, n) by their strides. Blocks of 64 x 16 x 256 live on the stack: it cannot fail. */
static void plain_product(size_t m, size_t n, size_t k, float alpha, operand a, operand b, float beta, float *c, size_t ldc)
{
    float panel[DEPTH * COLS], sum[ROWS * COLS];
    for (size_t i = 0; i < m; i += ROWS) {
        size_t h = m - i < ROWS ? m - i : ROWS;
        for (size_t j = 0; j < n; j += COLS) {
            size_t w = n - j < COLS ? n - j : COLS;
            memset(sum, 0, sizeof sum);
            for (size_t l = 0; l < k; l += DEPTH) {
                size_t depth = k - l < DEPTH ? k - l : DEPTH;
                memset(panel, 0, sizeof panel);
                for (size_t p = 0; p < depth; p++)
                    for (size_t q = 0; q < w; q++) panel[p * COLS + q] = b.at[(l + p) * b.row + (j + q) * b.col];
                plain_panel((operand){a.at + i * a.row + l * a.col, a.row, a.col}, h, depth, panel, sum);
            }
            for (size_t p = 0; p < h; p++)
                for (size_t q = 0; q < w; q++) {
                    float *out = c + (i + p) * ldc + j + q;
                    *out = alpha * sum[p * COLS + q] + (beta == 0 ? 0 : beta * *out);
                }
        }
    }
}

/* ---- products ------------------------------------------------------------------------------------------------------------ */

static void product(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                    const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
    assert(m <= INT32_MAX && n <= INT32_MAX && k <= INT32_MAX && lda <= INT32_MAX && ldb <= INT32_MAX && ldc <= INT32_MAX);
    pthread_once(&once, start);
    if (m == 0 || n == 0) return;
    if (plain) {
        operand left = ta == CblasNoTrans ? (operand){a, lda, 1} : (operand){a, 1, lda};
        operand right = tb == CblasNoTrans ? (operand){b, ldb, 1} : (operand){b, 1, ldb};
        plain_product(m, n, k, alpha, left, right, beta, c, ldc);
        return;
    }
    cblas_sgemm(CblasRowMajor, ta, tb, (blasint)m, (blasint)n, (blasint)k, alpha, a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

void leann_gemm_nt(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                   size_t ldc)
{
    product(CblasNoTrans, CblasTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void leann_gemm_nn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                   size_t ldc)
{
    product(CblasNoTrans, CblasNoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void leann_gemm_tn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                   size_t ldc)
{
    product(CblasTrans, CblasNoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

typedef struct {
    uint32_t n;
    size_t d;
    const float *a, *b;
    float *out;
} cross_job;

/* Rows [begin, end) of the product. */
static leann_status cross_task(leann_ctx *ctx, void *arg, size_t begin, size_t end)
{
    (void)ctx;
    const cross_job *job = arg;
    size_t d = job->d;
    leann_gemm_tn(end - begin, d, job->n, 1, job->a + begin, d, job->b, d, 0, job->out + begin * d, d);
    return LEANN_OK;
}

leann_status leann_cross(leann_ctx *ctx, uint32_t n, size_t d, const float *a, const float *b, float *out)
{
    enum { STRIP = 64 };
    return leann_parallel(ctx, d, STRIP, cross_task, &(cross_job){n, d, a, b, out});
}

/* ---- Procrustes ------------------------------------------------------------------------------------------------------------ */

static double dot(const double *a, const double *b, size_t n)
{
    double sum[4] = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t l = 0; l < 4; l++) sum[l] += a[i + l] * b[i + l];
    for (; i < n; i++) sum[0] += a[i] * b[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static void turn(double *a, double *b, size_t n, double c, double s)
{
    for (size_t i = 0; i < n; i++) {
        double x = a[i], y = b[i];
        a[i] = c * x - s * y;
        b[i] = s * x + c * y;
    }
}

/* Makes the rows of w (d, d) orthogonal by plane rotations, gathered in v (d, d): w = v w0. False after 60 sweeps without an end. */
static bool jacobi(size_t d, double *w, double *v)
{
    for (size_t i = 0; i < d * d; i++) v[i] = i % (d + 1) == 0;
    double total = dot(w, w, d * d);
    for (int sweep = 0; sweep < 60; sweep++) {
        bool turned = false;
        for (size_t p = 0; p + 1 < d; p++)
            for (size_t q = p + 1; q < d; q++) {
                double *a = w + p * d, *b = w + q * d;
                double aa = dot(a, a, d), bb = dot(b, b, d), ab = dot(a, b, d);
                /* The second test lets rows that are nothing but rounding (A of low rank) rest. */
                if (fabs(ab) <= 1e-13 * sqrt(aa * bb) || fabs(ab) <= 1e-28 * total) continue;
                double zeta = (bb - aa) / (2 * ab);
                double t = (zeta >= 0 ? 1 : -1) / (fabs(zeta) + sqrt(1 + zeta * zeta)), c = 1 / sqrt(1 + t * t);
                turn(a, b, d, c, c * t);
                turn(v + p * d, v + q * d, d, c, c * t);
                turned = true;
            }
        if (!turned) return true;
    }
    return false;
}

/* The rows of w made unit; those that are nothing but rounding become unit vectors orthogonal to all others. */
static void complete(size_t d, double *w)
{
    double largest = 0;
    for (size_t i = 0; i < d; i++) largest = fmax(largest, dot(w + i * d, w + i * d, d));
    size_t axis = 0;
    for (int pass = 0; pass < 2; pass++) /* first all that stand, then those to be completed */
        for (size_t i = 0; i < d; i++) {
            double *a = w + i * d, length = dot(a, a, d);
            bool stands = length > 1e-24 * largest;
            if (pass == 0) {
                for (size_t j = 0; j < d; j++) a[j] = stands ? a[j] / sqrt(length) : 0;
                continue;
            }
            for (; length == 0; axis++) { /* some axis is not in the span of what stands: dimension */
                assert(axis < d);
                memset(a, 0, d * sizeof *a);
                a[axis] = 1;
                for (int again = 0; again < 2; again++) /* twice is enough (Kahan) */
                    for (size_t o = 0; o < d; o++) {
                        if (o == i) continue;
                        double s = dot(a, w + o * d, d);
                        for (size_t j = 0; j < d; j++) a[j] -= s * w[o * d + j];
                    }
                length = dot(a, a, d);
                if (length < 0.25 / (double)d) length = 0; /* too much of this axis is taken: the next one */
                for (size_t j = 0; j < d; j++) a[j] = length == 0 ? 0 : a[j] / sqrt(length);
            }
        }
}

/* A (row-major) = v^T w with w's rows = diag(s) times orthonormal rows y: the factor is v^T y. */
static bool plain_factor(size_t d, double *w, double *v, float *out)
{
    if (!jacobi(d, w, v)) return false;
    complete(d, w);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double sum = 0;
            for (size_t l = 0; l < d; l++) sum += v[l * d + i] * w[l * d + j];
            out[i * d + j] = (float)sum;
        }
    return true;
}

/* LAPACK reads A as its transpose V S U^T; the product of its two factors, V U^T, is in turn the transpose of ours. */
static leann_status lapack_factor(leann_ctx *ctx, size_t d, double *a, double *u, double *vt, float *out, bool *converged)
{
    blasint n = (blasint)d, query = -1, info = 0;
    double size = 0, *s = leann_alloc(ctx, d, sizeof *s), *work = NULL;
    blasint *iwork = leann_alloc(ctx, d, 8 * sizeof *iwork);
    leann_status status = LEANN_ENOMEM;
    if (!s || !iwork) goto done;
    dgesdd_("A", &n, &n, a, &n, s, u, &n, vt, &n, &size, &query, iwork, &info);
    blasint lwork = (blasint)size;
    work = leann_alloc(ctx, (size_t)lwork, sizeof *work);
    if (!work) goto done;
    dgesdd_("A", &n, &n, a, &n, s, u, &n, vt, &n, work, &lwork, iwork, &info);
    assert(info >= 0);
    *converged = info == 0;
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, u, n, vt, n, 0, a, n);
    for (size_t i = 0; i < d * d; i++) out[i] = (float)a[i];
    status = LEANN_OK;
done:
    leann_free(s);
    leann_free(iwork);
    leann_free(work);
    return status;
}

leann_status leann_procrustes(leann_ctx *ctx, size_t d, const float *a, float *out)
{
    pthread_once(&once, start);
    if (d == 0 || d > 16384) return leann_fail(ctx, LEANN_EINVAL, "a rotation needs a dimension of 1 to 16384, not %zu", d);
    for (size_t i = 0; i < d * d; i++)
        if (!isfinite(a[i]))
            return leann_fail(ctx, LEANN_EINVAL, "cannot rotate: element (%zu, %zu) of the matrix is not finite", i / d, i % d);
    double *w = leann_alloc(ctx, d * d, sizeof *w), *u = leann_alloc(ctx, d * d, sizeof *u), *vt = NULL;
    leann_status status = LEANN_ENOMEM;
    bool converged = false;
    if (!w || !u) goto done;
    for (size_t i = 0; i < d * d; i++) w[i] = (double)a[i];
    if (plain) {
        converged = plain_factor(d, w, u, out);
    } else {
        vt = leann_alloc(ctx, d * d, sizeof *vt);
        if (!vt || lapack_factor(ctx, d, w, u, vt, out, &converged)) goto done;
    }
    status = converged ? LEANN_OK : leann_fail(ctx, LEANN_EINVAL, "the SVD of a %zu x %zu matrix does not converge", d, d);
done:
    leann_free(w);
    leann_free(u);
    leann_free(vt);
    return status;
}

/* ---- principal axes -------------------------------------------------------------------------------------------------------- */

/* Values ascending in s (d), vectors in the rows of a. */
static leann_status lapack_axes(leann_ctx *ctx, size_t d, double *a, double *s, bool *converged)
{
    blasint n = (blasint)d, query = -1, info = 0, whole = 0;
    double size = 0, *work = NULL;
    blasint *iwork = NULL;
    dsyevd_("V", "U", &n, a, &n, s, &size, &query, &whole, &query, &info);
    blasint lwork = (blasint)size;
    work = leann_alloc(ctx, (size_t)lwork, sizeof *work);
    iwork = leann_alloc(ctx, (size_t)whole, sizeof *iwork);
    if (work && iwork) dsyevd_("V", "U", &n, a, &n, s, work, &lwork, iwork, &whole, &info);
    assert(info >= 0);
    *converged = info == 0;
    leann_status status = work && iwork ? LEANN_OK : LEANN_ENOMEM;
    leann_free(work);
    leann_free(iwork);
    return status;
}

leann_status leann_axes(leann_ctx *ctx, size_t d, const float *a, float *axes, double *values)
{
    pthread_once(&once, start);
    if (d == 0 || d > 16384) return leann_fail(ctx, LEANN_EINVAL, "principal axes need a dimension of 1 to 16384, not %zu", d);
    for (size_t i = 0; i < d * d; i++)
        if (!isfinite(a[i]))
            return leann_fail(ctx, LEANN_EINVAL, "cannot find axes: element (%zu, %zu) of the matrix is not finite", i / d, i % d);
    double *w = leann_alloc(ctx, d * d, sizeof *w), *v = leann_alloc(ctx, d * d, sizeof *v), *s = leann_alloc(ctx, d, sizeof *s);
    size_t *order = leann_alloc(ctx, d, sizeof *order);
    leann_status status = LEANN_ENOMEM;
    bool converged = false;
    if (!w || !v || !s || !order) goto done;
    for (size_t i = 0; i < d * d; i++) w[i] = (double)a[i];
    if (plain) { /* w = v a has orthogonal rows of length |value|: v's rows are the axes of a semi-definite a */
        converged = jacobi(d, w, v);
        for (size_t i = 0; i < d; i++) s[i] = sqrt(dot(w + i * d, w + i * d, d));
    } else {
        if (lapack_axes(ctx, d, w, s, &converged)) goto done;
        memcpy(v, w, d * d * sizeof *v);
    }
    for (size_t i = 0; i < d; i++) { /* by insertion: largest first, the earlier row of equals */
        size_t at = i;
        for (; at > 0 && s[order[at - 1]] < s[i]; at--) order[at] = order[at - 1];
        order[at] = i;
    }
    for (size_t i = 0; i < d; i++) {
        values[i] = s[order[i]];
        for (size_t j = 0; j < d; j++) axes[i * d + j] = (float)v[order[i] * d + j];
    }
    status = converged ? LEANN_OK : leann_fail(ctx, LEANN_EINVAL, "the axes of a %zu x %zu matrix do not converge", d, d);
done:
    leann_free(w);
    leann_free(v);
    leann_free(s);
    leann_free(order);
    return status;
}
