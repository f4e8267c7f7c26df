// How long does decoding take, beside JSON? Nanoseconds of CPU per record: 3 of 8 fields of bids as in decode.c, as
// comma-separated values and as protobuf. Run by hand: build/tests/bench/bench_formats [rounds]
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "proto/descriptor.h"
#include "proto/format.h"
#include "tests/bench/measure.h"

enum { FIELDS = 8 };
static struct k_field fields[FIELDS] = {{.name = "auction", .type = K_INT64, .not_null = true},
                                        {.name = "bidder", .type = K_INT64},
                                        {.name = "price", .type = K_INT64, .not_null = true},
                                        {.name = "channel", .type = K_STRING},
                                        {.name = "url", .type = K_STRING},
                                        {.name = "at", .type = K_INT64},
                                        {.name = "extra", .type = K_STRING},
                                        {.name = "kind", .type = K_INT64}};
static const struct k_schema schema = {fields, FIELDS};
static const bool read[FIELDS] = {true, true, true};

static struct k_message messages[K_BATCH_ROWS];
static const struct k_message *pointers[K_BATCH_ROWS];

static void text_value(struct k_buf *out, bool csv, uint32_t number, const char *text)
{
    uint32_t length = (uint32_t)strlen(text);
    if (csv) {
        k_buf_printf(out, "%s%s", number > 1 ? "," : "", text);
        return;
    }
    k_buf_add_varint(out, number << 3 | 2);
    k_buf_add_varint(out, length);
    k_buf_add(out, text, length);
}

static void number_value(struct k_buf *out, bool csv, uint32_t number, uint64_t value)
{
    if (csv) {
        k_buf_printf(out, "%s%llu", number > 1 ? "," : "", (unsigned long long)value);
        return;
    }
    k_buf_add_varint(out, number << 3);
    k_buf_add_varint(out, value);
}

static size_t fill(struct k_arena *arena, bool csv)
{
    uint64_t seed = 42;
    size_t bytes = 0;
    struct k_buf out = {0};
    for (uint32_t i = 0; i < K_BATCH_ROWS; i++) {
        char channel[40], url[100], extra[100];
        uint64_t number = k_random_below(&seed, 10000);
        snprintf(channel, sizeof channel, "channel-%u", (unsigned)number);
        snprintf(url, sizeof url, "https://www.nexmark.com/ab/cd/item.htm?query=1&channel_id=%u", (unsigned)number);
        memset(extra, 'x', sizeof extra);
        extra[80 + k_random_below(&seed, 19)] = 0;
        k_buf_clear(&out);
        number_value(&out, csv, 1, 1000 + k_random_below(&seed, 1000000));
        number_value(&out, csv, 2, 1000 + k_random_below(&seed, 100000));
        number_value(&out, csv, 3, 100 + k_random_below(&seed, 10000000));
        text_value(&out, csv, 4, channel);
        text_value(&out, csv, 5, url);
        number_value(&out, csv, 6, 1767225600000 + i);
        text_value(&out, csv, 7, extra);
        number_value(&out, csv, 8, 2);
        messages[i] = (struct k_message){.value = {k_arena_copy(arena, out.data, out.length), (uint32_t)out.length},
                                         .has_value = true};
        pointers[i] = &messages[i];
        bytes += out.length;
    }
    k_buf_fini(&out);
    return bytes / K_BATCH_ROWS;
}

static void run(const char *name, struct k_decoder *decoder, uint32_t rounds, size_t bytes)
{
    struct k_arena arena;
    struct k_decode_result result;
    double best = 1e9;
    k_arena_init(&arena);
    for (uint32_t i = 0; i < rounds; i++) {
        k_arena_reset(&arena);
        double begin = cpu_s();
        k_decode(decoder, pointers, K_BATCH_ROWS, &arena, &result);
        double s = cpu_s() - begin;
        if (s < best) best = s;
        if (result.bad_count) abort();
    }
    printf("%-44s %7.1f ns per record of %zu bytes\n", name, best * 1e9 / K_BATCH_ROWS, bytes);
    k_decoder_destroy(decoder);
    k_arena_fini(&arena);
}

int main(int argc, char **argv)
{
    uint32_t rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 2000;
    static struct k_pb_field members[FIELDS];
    const struct k_pb_message message = {"Bid", members, FIELDS, 0, false};
    for (uint32_t i = 0; i < FIELDS; i++)
        members[i] = (struct k_pb_field){.name = fields[i].name,
                                         .number = i + 1,
                                         .oneof = -1,
                                         .has_presence = true,
                                         .type = fields[i].type == K_INT64 ? K_PB_INT64 : K_PB_STRING};
    struct k_decoder_options options = {.schema = &schema, .read = read, .delimiter = ',', .message = &message};
    struct k_decoder *csv, *protobuf;
    struct k_error err;
    struct k_arena arena;
    if (k_decoder_csv(&options, &csv, &err) || k_decoder_protobuf(&options, &protobuf, &err)) abort();
    k_arena_init(&arena);
    size_t bytes = fill(&arena, true);
    run("csv, 3 of 8 columns", csv, rounds, bytes);
    bytes = fill(&arena, false);
    run("protobuf, 3 of 8 fields", protobuf, rounds, bytes);
    k_arena_fini(&arena);
    return 0;
}
