// The bits of int64. A shift counts modulo 64, as PostgreSQL's does on every machine that people run it on; to the
// right, the sign comes after.
#include "operators/expr/kernels.h"

#define BITS(name, expression)                                                  \
    void k_kernel_bits_##name(struct k_call *call)                              \
    {                                                                           \
        K_BINARY_WIDE(call, int64_t, int64_t, int64_t, out[r] = (expression);); \
    }

BITS(and, a &b)
BITS(or, a | b)
BITS(xor, a ^ b)
BITS(left, (int64_t)((uint64_t)a << (b & 63)))
BITS(right, a >> (b & 63))

void k_kernel_bits_not(struct k_call *call)
{
    K_UNARY_WIDE(call, int64_t, int64_t, out[r] = ~a;);
}
