/* SPDX-License-Identifier: Apache-2.0 */
/* y = x / 2 + |x| Q(|x|) and its slope 1/2 + sign(x) S(|x|), Q = erf(a / sqrt 2) / 2, S = Q + a f(a), f the density: 16 numbers in some 20 operations. Q and S are polynomials of degree 4 in t
 * around 0, 3/16, .., 31 * 3/16 (Chebyshev fits of this file's formulas), chosen by a shuffle of two registers for each coefficient; beyond, 1/2. Off by less than 4e-8 and 2e-7. */
#include "tensor/kernels/gelu_wide.h"
#include "tensor/kernels/exp_avx512.h"
#if LBI_GELU_WIDE

enum { LANES = 16, PIECES = 32, DEGREE = 4, AHEAD = 128, AREA = 0, SLOPE = 1 };

static const float tables[2][DEGREE + 1][PIECES] = {
    {
        {0, 0.0743656904f, 0.146169767f, 0.213112295f, 0.27337265f, 0.325749278f, 0.369705468f, 0.40532425f, 0.43319279f, 0.454246372f, 0.469603628f,
         0.480419934f, 0.487775534f, 0.492605388f, 0.495667547f, 0.497542113f, 0.498650104f, 0.499282449f, 0.499630928f, 0.499816328f, 0.499911577f,
         0.499958843f, 0.499981463f, 0.499991924f, 0.499996603f, 0.499998629f, 0.499999464f, 0.499999791f, 0.499999911f, 0.49999997f, 0.5f, 0.5f},
        {0.0748016611f, 0.0734982491f, 0.0697228014f, 0.063856408f, 0.0564632677f, 0.048201371f, 0.0397268943f, 0.0316112489f, 0.0242845751f, 0.0180115532f,
         0.0128974412f, 0.00891636219f, 0.00595118664f, 0.00383487437f, 0.00238577975f, 0.00143298332f, 0.000830966572f, 0.000465219055f, 0.000251456542f,
         0.000131219931f, 6.6110144e-5f, 3.21564221e-5f, 1.51007544e-5f, 6.84637689e-6f, 2.99677504e-6f, 1.26642249e-6f, 5.16694854e-7f, 2.03526341e-7f,
         7.7399477e-8f, 2.84175279e-8f, 1.00731503e-8f, 0},
        {2.24747296e-7f, -0.0012919599f, -0.00245118933f, -0.00336742378f, -0.00397006888f, -0.0042364439f, -0.00418994157f, -0.00388966175f,
         -0.00341501576f, -0.00284948247f, -0.00226712786f, -0.00172406272f, -0.00125532958f, -0.00087633013f, -0.000587126997f, -0.000377838849f,
         -0.000233710583f, -0.000139021518f, -7.95631495e-5f, -4.38259231e-5f, -2.3242188e-5f, -1.18704575e-5f, -5.83987412e-6f, -2.7680428e-6f,
         -1.26430484e-6f, -5.56554369e-7f, -2.36156197e-7f, -9.66005302e-8f, -3.80973546e-8f, -1.44872887e-8f, -5.31243849e-9f, 0},
        {-0.000439550553f, -0.000414854498f, -0.000350594491f, -0.000255525694f, -0.000144752688f, -3.44328873e-5f, 6.14487508e-5f, 0.000133407884f,
         0.000177440714f, 0.000194648528f, 0.000189869912f, 0.000169870764f, 0.00014162666f, 0.000111065841f, 8.24162562e-5f, 5.81039785e-5f, 3.90319728e-5f,
         2.50375961e-5f, 1.53616475e-5f, 9.02644479e-6f, 5.08484663e-6f, 2.74843819e-6f, 1.42640329e-6f, 7.11211555e-7f, 3.40853973e-7f, 1.57084358e-7f,
         6.96384603e-8f, 2.97066105e-8f, 1.21972974e-8f, 4.82153428e-9f, 1.83531534e-9f, 0},
        {2.88225715e-6f, 1.11977315e-5f, 2.04909211e-5f, 2.64233404e-5f, 2.83012578e-5f, 2.62878239e-5f, 2.12685627e-5f, 1.45522354e-5f, 7.51438211e-6f,
         1.29143837e-6f, -3.40203451e-6f, -6.31248395e-6f, -7.56914505e-6f, -7.54139501e-6f, -6.68738949e-6f, -5.43454235e-6f, -4.10999519e-6f,
         -2.91923402e-6f, -1.95897769e-6f, -1.24712017e-6f, -7.55436531e-7f, -4.3638417e-7f, -2.40808362e-7f, -1.27115825e-7f, -6.42588276e-8f,
         -3.11361354e-8f, -1.447183e-8f, -6.45632481e-9f, -2.7662157e-9f, -1.13874865e-9f, -4.50594506e-10f, 0},
    },
    {
        {0, 0.147863984f, 0.285615414f, 0.404681563f, 0.499225736f, 0.56675607f, 0.608066738f, 0.626602829f, 0.627469182f, 0.616350174f, 0.598577917f,
         0.578499794f, 0.559189737f, 0.542458773f, 0.52906853f, 0.519036949f, 0.511945665f, 0.507191241f, 0.504157186f, 0.502309561f, 0.501233816f,
         0.500634134f, 0.500313699f, 0.500149429f, 0.500068545f, 0.500030279f, 0.500012875f, 0.500005305f, 0.500002086f, 0.500000775f, 0.500000298f, 0.5f},
        {0.149603277f, 0.144412428f, 0.129640728f, 0.107508235f, 0.0811660141f, 0.0540383868f, 0.0291746035f, 0.00876734965f, -0.00607100502f,
         -0.0152675128f, -0.019547645f, -0.0200966522f, -0.0182255507f, -0.0151148597f, -0.0116680227f, -0.00846922118f, -0.00581682194f, -0.00379630434f,
         -0.00236136629f, -0.00140294794f, -0.000797468063f, -0.000434246234f, -0.000226752498f, -0.000113636728f, -5.46927004e-5f, -2.5294612e-5f,
         -1.12465714e-5f, -4.80928429e-6f, -1.97860436e-6f, -7.8340338e-7f, -2.9858856e-7f, 0},
        {1.34655534e-6f, -0.00512241013f, -0.00946004316f, -0.0124042043f, -0.0136470981f, -0.0132223321f, -0.0114568723f, -0.0088581061f, -0.00597629184f,
         -0.00328359893f, -0.00109815435f, 0.0004377398f, 0.00133378175f, 0.00170131132f, 0.00169716589f, 0.00147741288f, 0.00116855768f, 0.000856398954f,
         0.000588025432f, 0.00038091201f, 0.000233876766f, 0.000136558141f, 7.60105686e-5f, 4.04075108e-5f, 2.05452798e-5f, 1.00029365e-5f, 4.66786514e-6f,
         2.0894081e-6f, 8.97689688e-7f, 3.70397174e-7f, 1.46843092e-7f, 0},
        {-0.00176071224f, -0.00161333394f, -0.00123756134f, -0.000704684004f, -0.000126408733f, 0.000387370907f, 0.000755349989f, 0.000940181082f,
         0.000949459791f, 0.000824570307f, 0.000623149332f, 0.000401709374f, 0.000203313815f, 5.23093149e-5f, -4.46208614e-5f, -9.34785639e-5f,
         -0.000106780186f, -9.82724523e-5f, -7.95522865e-5f, -5.86536735e-5f, -4.00890931e-5f, -2.56635467e-5f, -1.54892132e-5f, -8.85367899e-6f,
         -4.80850031e-6f, -2.4873741e-6f, -1.22780978e-6f, -5.79191578e-7f, -2.61416659e-7f, -1.13003047e-7f, -4.68217927e-8f, 0},
        {1.72798227e-5f, 6.64791296e-5f, 0.00011796716f, 0.00014385891f, 0.000140755204f, 0.000112808215f, 6.96809802e-5f, 2.30893456e-5f, -1.67131911e-5f,
         -4.33447494e-5f, -5.50469194e-5f, -5.39246976e-5f, -4.43026402e-5f, -3.09540337e-5f, -1.77787024e-5f, -7.17467674e-6f, -4.14862313e-8f,
         3.82474218e-6f, 5.21375523e-6f, 5.05832168e-6f, 4.15600562e-6f, 3.05595131e-6f, 2.06221966e-6f, 1.29485682e-6f, 7.62928323e-7f, 4.24197822e-7f,
         2.23461157e-7f, 1.118554e-7f, 5.33216671e-8f, 2.42495446e-8f, 1.053579e-8f, 0},
    },
};

typedef struct table {
    __m512 low[DEGREE + 1], high[DEGREE + 1];
} table;

LBI_WIDE_INLINE table table_of(int which) {
    table t;
    for (int i = 0; i <= DEGREE; i++) {
        t.low[i] = _mm512_loadu_ps(tables[which][i]);
        t.high[i] = _mm512_loadu_ps(tables[which][i] + LANES);
    }
    return t;
}

/* The function of a = |x|. The piece's number is what rounding leaves in the lowest bits. NaN is lost. */
LBI_WIDE_INLINE __m512 half_of(const table *t, __m512 a) {
    const __m512 by = _mm512_set1_ps(16.0f / 3), magic = _mm512_set1_ps(12582912.0f);
    __m512 c = _mm512_min_ps(a, _mm512_set1_ps((PIECES - 1) * 3.0f / 16)), n = _mm512_fmadd_ps(c, by, magic);
    __m512i k = _mm512_castps_si512(n);
    __m512 r = _mm512_fmsub_ps(c, by, _mm512_sub_ps(n, magic)), p = _mm512_permutex2var_ps(t->low[DEGREE], k, t->high[DEGREE]);
#pragma GCC unroll 4
    for (int i = DEGREE - 1; i >= 0; i--) p = _mm512_fmadd_ps(p, r, _mm512_permutex2var_ps(t->low[i], k, t->high[i]));
    return p;
}

LBI_WIDE_INLINE __m512 gelu_of(const table *t, __m512 x) {
    __m512 a = _mm512_abs_ps(x);
    return _mm512_fmadd_ps(a, half_of(t, a), _mm512_mul_ps(x, _mm512_set1_ps(0.5f)));
}

/* NaN where x is none. */
LBI_WIDE_INLINE __m512 slope_of(const table *t, __m512 x) {
    __m512 s = half_of(t, _mm512_abs_ps(x)), sign = _mm512_and_ps(x, _mm512_set1_ps(-0.0f));
    __m512 y = _mm512_add_ps(_mm512_set1_ps(0.5f), _mm512_xor_ps(s, sign));
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
}

LBI_WIDE void lbi_gelu_avx512(float *y, const float *x, int64_t n) {
    table t = table_of(AREA);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __builtin_prefetch(x + i + AHEAD);
        _mm512_storeu_ps(y + i, gelu_of(&t, _mm512_loadu_ps(x + i)));
    }
    __mmask16 some = lbi_wide_first(n - i);
    if (i < n) _mm512_mask_storeu_ps(y + i, some, gelu_of(&t, _mm512_maskz_loadu_ps(some, x + i)));
}

/* The numbers of `some`, from places that begin here. */
LBI_WIDE_INLINE void back_step(const table *t, float *gx, const float *g, const float *x, __mmask16 some, bool fresh) {
    __m512 d = _mm512_mul_ps(_mm512_maskz_loadu_ps(some, g), slope_of(t, _mm512_maskz_loadu_ps(some, x)));
    if (!fresh) d = _mm512_add_ps(d, _mm512_maskz_loadu_ps(some, gx));
    _mm512_mask_storeu_ps(gx, some, d);
}

LBI_WIDE void lbi_gelu_back_avx512(float *gx, const float *g, const float *x, int64_t n, bool fresh) {
    table t = table_of(SLOPE);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __builtin_prefetch(x + i + AHEAD);
        __builtin_prefetch(g + i + AHEAD);
        back_step(&t, gx + i, g + i, x + i, 0xffff, fresh);
    }
    if (i < n) back_step(&t, gx + i, g + i, x + i, lbi_wide_first(n - i), fresh);
}
#endif
