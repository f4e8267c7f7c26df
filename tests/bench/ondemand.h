// The yardstick of decode.c: simdjson's on-demand parser, which is C++.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
// Bytes that must be readable behind each text.
size_t ondemand_padding(void);
// auction, bidder and price of `bid` in each of the texts, into columns. in_order: the keys stand in this order.
void ondemand_read(const char *const *texts, const uint32_t *lengths, uint32_t count, int in_order, int64_t *auction,
                   int64_t *bidder, int64_t *price);
#ifdef __cplusplus
}
#endif
