// Functions that make strings of others: their results are bounded, since what they are given is not.
#include "operators/expr/kernels.h"

bool k_made_fits(struct k_call *call, uint32_t row, uint64_t length)
{
    if (length <= K_MADE_MAX) return true;
    k_call_fail(call, row, "overflow", "the result is longer than %d MiB", K_MADE_MAX >> 20);
    return false;
}

void k_kernel_concat(struct k_call *call)
{
    struct k_str *out = call->out;
    K_EACH_ROW(call->rows, r, {
        uint64_t length = 0;
        for (uint32_t i = 0; i < call->count; i++)
            if (!k_vec_null(&call->args[i], r)) length += K_ARG(call, i, struct k_str, r).length;
        if (!k_made_fits(call, r, length)) continue;
        char *data = k_arena_get(k_call_arena(call), length);
        char *end = data;
        for (uint32_t i = 0; i < call->count; i++) {
            if (k_vec_null(&call->args[i], r)) continue;
            struct k_str text = K_ARG(call, i, struct k_str, r);
            if (text.length) end = mempcpy(end, text.data, text.length);
        }
        out[r] = (struct k_str){data, (uint32_t)length};
    });
}
