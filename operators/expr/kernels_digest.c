// Digests of strings and bytes. libcrypto, which is here for the digests of tables, has the two that people know by
// their hexadecimal digits; base has xxHash.
#include <openssl/evp.h>

#include "base/error.h"
#include "base/hash.h"
#include "operators/expr/kernels.h"

static struct k_str hexadecimal(struct k_arena *arena, const unsigned char *sum, uint32_t length)
{
    static const char digits[] = "0123456789abcdef";
    char *out = k_arena_get(arena, 2 * (size_t)length);
    for (uint32_t i = 0; i < length; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    return (struct k_str){out, 2 * length};
}

// A library without the digest (a system that allows only some) makes every row an error, which says so.
static void digest(struct k_call *call, const char *name)
{
    struct k_str *out = call->out;
    EVP_MD *type = EVP_MD_fetch(NULL, name, NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_str text = K_ARG(call, 0, struct k_str, r);
        unsigned char sum[EVP_MAX_MD_SIZE];
        unsigned length = 0;
        bool good = type && context && EVP_DigestInit_ex2(context, type, NULL) &&
                    EVP_DigestUpdate(context, text.data, text.length) && EVP_DigestFinal_ex(context, sum, &length);
        if (good) out[r] = hexadecimal(k_call_arena(call), sum, length);
        else k_call_fail(call, r, "digest", "libcrypto offers no %s here", name);
    });
    EVP_MD_CTX_free(context);
    EVP_MD_free(type);
}

void k_kernel_md5(struct k_call *call)
{
    digest(call, "MD5");
}

void k_kernel_sha256(struct k_call *call)
{
    digest(call, "SHA2-256");
}

void k_kernel_xxhash(struct k_call *call)
{
    int64_t *out = call->out;
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_str text = K_ARG(call, 0, struct k_str, r);
        out[r] = (int64_t)k_xxh64(text.data, text.length);
    });
}
