// Nexmark's events as its definition has them (proportions 1 person : 3 auctions : 46 bids, hot sellers, hot
// auctions, hot bidders). The seed of everything random in an event is its number.
#include "tests/bench/nexmark.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

enum { FIRST_ID = 1000, HOT = 100, ACTIVE_PERSONS = 1000, IN_FLIGHT_AUCTIONS = 100, AHEAD = 10, CATEGORIES = 5 };

static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

static size_t add_text(char *out, uint64_t *seed, size_t length)
{
    for (size_t i = 0; i < length; i++) out[i] = letters[k_random_below(seed, 26)];
    return length;
}

static size_t add_padding(char *out, uint64_t *seed, size_t written, size_t wanted)
{
    // A fifth around the average, so that sizes differ.
    if (written >= wanted) return 0;
    size_t most = (wanted - written) * 6 / 5, least = (wanted - written) * 4 / 5;
    return add_text(out, seed, least + k_random_below(seed, most - least + 1));
}

static uint64_t person_id(uint64_t last_person, uint64_t *seed)
{
    uint64_t active = last_person < ACTIVE_PERSONS ? last_person : ACTIVE_PERSONS;
    return last_person - active + k_random_below(seed, active + AHEAD);
}

static uint64_t auction_id(uint64_t last_auction, uint64_t *seed)
{
    uint64_t least = last_auction < IN_FLIGHT_AUCTIONS ? 0 : last_auction - IN_FLIGHT_AUCTIONS;
    return least + k_random_below(seed, last_auction - least + 1 + AHEAD);
}

static long long price(uint64_t *seed)
{
    double u = (double)(k_random(seed) >> 11) * 0x1p-53;
    return llround(pow(10.0, u * 6.0) * 100.0);
}

static size_t person(char *out, uint64_t *seed, uint64_t id, int64_t ms)
{
    static const char *const states[] = {"AZ", "CA", "ID", "OR", "WA", "WY"}, *const cities[] = {
                                                                                  "Phoenix",       "Los Angeles",
                                                                                  "San Francisco", "Boise",
                                                                                  "Portland",      "Bend",
                                                                                  "Redmond",       "Seattle",
                                                                                  "Kent",          "Cheyenne"};
    static const char *const first[] = {"Peter", "Paul",  "Luke",  "John",   "Saul",  "Vicky",
                                        "Kate",  "Julie", "Sarah", "Deiter", "Walter"},
                             *const last[] = {"Shultz", "Abrams", "Spencer", "White", "Bartels",
                                              "Walton", "Smith",  "Jones",   "Noris"};
    const char *f = first[k_random_below(seed, 11)], *l = last[k_random_below(seed, 9)];
    int at = sprintf(out,
                     "{\"event_type\":0,\"person\":{\"id\":%llu,\"name\":\"%s "
                     "%s\",\"email_address\":\"%c%s@%c%s.com\",\"credit_card\":\"%04llu %04llu %04llu %04llu\","
                     "\"city\":\"%s\",\"state\":\"%s\",\"date_time\":%lld,\"extra\":\"",
                     (unsigned long long)(FIRST_ID + id), f, l, letters[k_random_below(seed, 26)], l,
                     letters[k_random_below(seed, 26)], f, (unsigned long long)k_random_below(seed, 10000),
                     (unsigned long long)k_random_below(seed, 10000), (unsigned long long)k_random_below(seed, 10000),
                     (unsigned long long)k_random_below(seed, 10000), cities[k_random_below(seed, 10)],
                     states[k_random_below(seed, 6)], (long long)ms);
    size_t length = (size_t)at;
    length += add_padding(out + length, seed, length, 320);
    memcpy(out + length, "\"}}", 3);
    return length + 3;
}

static size_t auction(char *out, uint64_t *seed, uint64_t id, uint64_t last_person, int64_t ms, int64_t span_ms)
{
    uint64_t seller = k_random_below(seed, 4) ? last_person / HOT * HOT : person_id(last_person, seed);
    int at = sprintf(out, "{\"event_type\":1,\"auction\":{\"id\":%llu,\"item_name\":\"",
                     (unsigned long long)(FIRST_ID + id));
    size_t length = (size_t)at;
    length += add_text(out + length, seed, 3 + k_random_below(seed, 17));
    length += (size_t)sprintf(out + length, "\",\"description\":\"");
    length += add_text(out + length, seed, 3 + k_random_below(seed, 97));
    long long first_bid = price(seed);
    length += (size_t)sprintf(out + length,
                              "\",\"initial_bid\":%lld,\"reserve\":%lld,\"date_time\":%lld,\"expires\":%lld,"
                              "\"seller\":%llu,\"category\":%llu,\"extra\":\"",
                              first_bid, first_bid + price(seed), (long long)ms,
                              (long long)(ms + 1 + (int64_t)k_random_below(seed, (uint64_t)(2 * span_ms) + 1)),
                              (unsigned long long)(FIRST_ID + seller),
                              (unsigned long long)(10 + k_random_below(seed, CATEGORIES)));
    length += add_padding(out + length, seed, length, 500);
    memcpy(out + length, "\"}}", 3);
    return length + 3;
}

static size_t bid(char *out, uint64_t *seed, const struct nexmark *g, uint64_t last_auction, uint64_t last_person,
                  int64_t ms)
{
    static const char *const hot_channels[] = {"Google", "Facebook", "Baidu", "Apple"};
    uint64_t auction = k_random_below(seed, 2) ? last_auction / HOT * HOT : auction_id(last_auction, seed);
    uint64_t bidder = k_random_below(seed, 4) ? last_person / HOT * HOT + 1 : person_id(last_person, seed);
    if (g->uniform_bidders) bidder = k_random_below(seed, g->uniform_bidders);
    char channel[32], url[96];
    uint64_t number = k_random_below(seed, 10000);
    if (k_random_below(seed, 2)) {
        uint64_t hot = k_random_below(seed, 4);
        strcpy(channel, hot_channels[hot]);
        sprintf(url, "https://www.nexmark.com/%.5s/item.htm?query=1", &letters[hot * 5]);
    } else {
        uint64_t of_channel = number * 0x9E3779B97F4A7C15u;
        sprintf(channel, "channel-%llu", (unsigned long long)number);
        sprintf(url, "https://www.nexmark.com/%04llx/item.htm?query=1&channel_id=%llu",
                (unsigned long long)(of_channel >> 48), (unsigned long long)number);
    }
    int at = sprintf(out,
                     "{\"event_type\":2,\"bid\":{\"auction\":%llu,\"bidder\":%llu,\"price\":%lld,\"channel\":\"%s\","
                     "\"url\":\"%s\",\"date_time\":%lld,\"extra\":\"",
                     (unsigned long long)(FIRST_ID + auction), (unsigned long long)(FIRST_ID + bidder), price(seed),
                     channel, url, (long long)ms);
    size_t length = (size_t)at;
    length += add_padding(out + length, seed, length, 272);
    memcpy(out + length, "\"}}", 3);
    return length + 3;
}

size_t nexmark_event(const struct nexmark *g, uint64_t n, char *out, int64_t *ret_ms)
{
    uint64_t seed = k_hash(&n, sizeof n), epoch = n / 50, offset = n % 50;
    *ret_ms = g->base_ms + (int64_t)(n * 1000 / g->events_per_second);
    uint64_t last_auction = offset == 0 ? (epoch ? 3 * epoch - 1 : 0) : 3 * epoch + (offset < 3 ? offset - 1 : 2);
    int64_t span_ms = (int64_t)(1666 * 1000 / g->events_per_second);
    if (offset == 0) return person(out, &seed, epoch, *ret_ms);
    if (offset < 4) return auction(out, &seed, last_auction, epoch, *ret_ms, span_ms);
    return bid(out, &seed, g, last_auction, epoch, *ret_ms);
}
