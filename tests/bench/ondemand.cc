// As simdjson's documentation has it: one parser for all records, and no copy of a text, which has its padding. It
// is compiled for any x86-64, as our own code is: the index is made with the vectors that the machine has, the walk
// is not.
#include "tests/bench/ondemand.h"

#include <simdjson.h>

#include <cstdlib>

using namespace simdjson;

extern "C" size_t ondemand_padding(void)
{
    return SIMDJSON_PADDING;
}

static bool read_one(ondemand::parser &parser, const char *text, size_t length, bool in_order, int64_t *auction,
                     int64_t *bidder, int64_t *price)
{
    ondemand::document record;
    ondemand::object bid;
    if (parser.iterate(text, length, length + SIMDJSON_PADDING).get(record)) return false;
    if (in_order) {
        return !record.find_field("bid").get_object().get(bid) &&
               !bid.find_field("auction").get_int64().get(*auction) &&
               !bid.find_field("bidder").get_int64().get(*bidder) && !bid.find_field("price").get_int64().get(*price);
    }
    return !record["bid"].get_object().get(bid) && !bid["auction"].get_int64().get(*auction) &&
           !bid["bidder"].get_int64().get(*bidder) && !bid["price"].get_int64().get(*price);
}

extern "C" void ondemand_read(const char *const *texts, const uint32_t *lengths, uint32_t count, int in_order,
                              int64_t *auction, int64_t *bidder, int64_t *price)
{
    static ondemand::parser parser;
    for (uint32_t i = 0; i < count; i++) {
        if (!read_one(parser, texts[i], lengths[i], in_order != 0, &auction[i], &bidder[i], &price[i])) std::abort();
    }
}
