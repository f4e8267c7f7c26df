// How fast are expressions? The shapes of Nexmark's q14, q21 and q22 over decoded columns, beside the same loops by
// hand: one pass over the columns, everything of a row at once, as a good C programmer writes it in an hour. Both
// compute the same, which is checked first.
//
// A stream never brings the same rows again, but a processor learns the branches of 4096 rows by heart in a few
// rounds. So the rounds go through many batches of different rows. Each lies in the caches when it is measured, as one
// that was just decoded.
// Run by hand: build/tests/bench/bench_expressions [rounds [least ratio [q14]]]; with a ratio it fails below it.
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "operators/expr/expr.h"
#include "tests/bench/measure.h"

enum { ROWS = K_BATCH_ROWS, BATCHES = 32, OUTPUTS_MAX = 4 };

static struct k_field fields[] = {
    {.name = "auction", .type = K_INT64, .not_null = true}, {.name = "bidder", .type = K_INT64, .not_null = true},
    {.name = "price", .type = K_INT64, .not_null = true},   {.name = "channel", .type = K_STRING, .not_null = true},
    {.name = "url", .type = K_STRING, .not_null = true},    {.name = "time", .type = K_TIMESTAMP, .not_null = true},
};
enum { AUCTION, BIDDER, PRICE, CHANNEL, URL, TIME, COLUMNS };
static const struct k_schema schema = {fields, COLUMNS};

static struct bids {
    int64_t auction[ROWS], bidder[ROWS], price[ROWS], time[ROWS];
    struct k_str channel[ROWS], url[ROWS];
    struct k_column columns[COLUMNS];
    struct k_batch batch;
} all_bids[BATCHES];
static uint32_t all_rows[ROWS];

static struct k_str text(struct k_arena *arena, const char *format, unsigned number)
{
    char out[128];
    int length = snprintf(out, sizeof out, format, number);
    return (struct k_str){k_arena_copy(arena, out, (size_t)length), (uint32_t)length};
}

static void fill(struct bids *bids, uint64_t seed, struct k_arena *arena)
{
    static const char *const famous[] = {"Google", "Facebook", "Baidu", "Apple"};
    for (uint32_t i = 0; i < ROWS; i++) {
        unsigned number = (unsigned)k_random_below(&seed, 10000);
        bids->auction[i] = 1000 + (int64_t)k_random_below(&seed, 1000000);
        bids->bidder[i] = 1000 + (int64_t)k_random_below(&seed, 100000);
        bids->price[i] = 100 + (int64_t)k_random_below(&seed, 10000000);
        bids->time[i] = 1767225600000000 + (int64_t)i * 1000 + (int64_t)k_random_below(&seed, 8) * 10800000000;
        bool known = k_random_below(&seed, 2);
        bids->channel[i] = known ? k_str_of(famous[number % 4]) : text(arena, "channel-%u", number);
        bids->url[i] = text(arena, "https://www.nexmark.com/abo/cdef/item.htm?query=1&channel_id=%u", number);
        all_rows[i] = i;
    }
    const void *data[COLUMNS] = {bids->auction, bids->bidder, bids->price, bids->channel, bids->url, bids->time};
    for (int c = 0; c < COLUMNS; c++) bids->columns[c] = (struct k_column){.type = fields[c].type, .data = data[c]};
    bids->batch = (struct k_batch){
        .schema = &schema, .columns = bids->columns, .rows = ROWS, .selection = all_rows, .selected = ROWS};
}

// Brings a batch into the caches.
static uint64_t touch(const struct bids *bids)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        sum += (uint64_t)(bids->auction[i] + bids->bidder[i] + bids->price[i] + bids->time[i]);
        for (uint32_t at = 0; at < bids->channel[i].length; at++) sum += (uint64_t)bids->channel[i].data[at];
        for (uint32_t at = 0; at < bids->url[i].length; at++) sum += (uint64_t)bids->url[i].data[at];
    }
    return sum;
}

// What a shape makes: rows that pass, and for each of them doubles or strings.
struct made {
    uint32_t count;
    uint32_t rows[ROWS];
    double d[ROWS];
    struct k_str s[OUTPUTS_MAX][ROWS]; // by output; data NULL: NULL
};

struct shape {
    const char *name, *where; // where NULL: all rows
    const char *number;       // a double, or NULL
    const char *strings[OUTPUTS_MAX];
    void (*by_hand)(const struct bids *bids, struct made *made);
};

// --- by hand ---

static int64_t hour_of(int64_t us)
{
    return (us % 86400000000 + 86400000000) % 86400000000 / 3600000000;
}

static void q14_by_hand(const struct bids *bids, struct made *made)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        double price = 0.908 * (double)bids->price[i];
        if (!(price > 1000000 && price < 50000000)) continue;
        int64_t hour = hour_of(bids->time[i]);
        made->rows[n] = i;
        made->d[n] = price;
        made->s[0][n++] = hour >= 8 && hour <= 18   ? K_STR("dayTime")
                          : hour <= 6 || hour >= 20 ? K_STR("nightTime")
                                                    : K_STR("otherTime");
    }
    made->count = n;
}

static bool is_name(struct k_str channel, const char *name, uint32_t length)
{
    if (channel.length != length) return false;
    for (uint32_t i = 0; i < length; i++) {
        char c = channel.data[i];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != name[i]) return false;
    }
    return true;
}

static void q21_by_hand(const struct bids *bids, struct made *made)
{
    static const char key[] = "channel_id=";
    uint32_t n = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        struct k_str channel = bids->channel[i], url = bids->url[i], id;
        if (is_name(channel, "apple", 5)) id = K_STR("0");
        else if (is_name(channel, "google", 6)) id = K_STR("1");
        else if (is_name(channel, "facebook", 8)) id = K_STR("2");
        else if (is_name(channel, "baidu", 5)) id = K_STR("3");
        else {
            const char *found = memmem(url.data, url.length, key, sizeof key - 1);
            if (!found) continue;
            found += sizeof key - 1;
            id = (struct k_str){found, (uint32_t)(url.data + url.length - found)};
        }
        made->rows[n] = i;
        made->s[0][n++] = id;
    }
    made->count = n;
}

static void q22_by_hand(const struct bids *bids, struct made *made)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        const char *at = bids->url[i].data, *end = at + bids->url[i].length;
        for (int part = 1; part <= 6; part++) {
            const char *slash = memchr(at, '/', (size_t)(end - at)), *stop = slash ? slash : end;
            if (part >= 4) made->s[part - 4][i] = (struct k_str){at, (uint32_t)(stop - at)};
            at = slash ? slash + 1 : end;
        }
        made->rows[i] = i;
    }
    made->count = ROWS;
}

static const struct shape shapes[] = {
    {"q14 arithmetic, calendar, CASE",
     "0.908 * price > 1000000 AND 0.908 * price < 50000000",
     "0.908 * price",
     {"CASE WHEN extract(hour FROM time) >= 8 AND extract(hour FROM time) <= 18 THEN 'dayTime' "
      "WHEN extract(hour FROM time) <= 6 OR extract(hour FROM time) >= 20 THEN 'nightTime' ELSE 'otherTime' END"},
     q14_by_hand},
    {"q21 lower, IN, CASE, search in a url",
     "url LIKE '%channel\\_id=%' OR "
     "lower(channel) IN ('apple', 'google', 'facebook', 'baidu')",
     NULL,
     {"CASE WHEN lower(channel) = 'apple' THEN '0' WHEN lower(channel) = 'google' THEN '1' "
      "WHEN lower(channel) = 'facebook' THEN '2' WHEN lower(channel) = 'baidu' THEN '3' "
      "ELSE split_part(url, 'channel_id=', 2) END"},
     q21_by_hand},
    {"q22 three parts of a url",
     NULL,
     NULL,
     {"split_part(url, '/', 4)", "split_part(url, '/', 5)", "split_part(url, '/', 6)"},
     q22_by_hand},
};

// --- by expressions ---

static struct k_pos no_place(const void *context, size_t offset)
{
    (void)context;
    return (struct k_pos){"shape", 1, (uint32_t)offset + 1};
}

static struct k_expr *compile(struct k_arena *arena, const char *expression)
{
    static const struct k_scope scope = {.schema = &schema, .offers = "bids"};
    static const struct k_expr_place place = {no_place, NULL};
    struct k_diags diags = {0};
    struct k_buf out = {0};
    if (!expression) return NULL;
    struct k_expr *expr = k_expr_compile(arena, k_str_of(expression), &scope, &place, &diags, NULL);
    if (!expr) {
        k_diags_print(&diags, &out);
        fprintf(stderr, "%s\n", out.data);
        exit(1);
    }
    k_diags_fini(&diags);
    return expr;
}

struct program {
    struct k_expr *where, *number, *strings[OUTPUTS_MAX];
};

// The columns that the expressions make, as a map behind a filter has them: indexed by the row of the input.
struct columns {
    uint32_t count, rows[ROWS];
    struct k_column number, strings[OUTPUTS_MAX];
};

static void evaluate(const struct program *program, struct bids *bids, struct k_arena *arena, struct columns *ret)
{
    struct k_expr_errors errors = {0};
    bids->batch.arena = arena;
    const uint32_t *rows = all_rows;
    ret->count = ROWS;
    if (program->where) {
        ret->count = k_expr_filter(program->where, &bids->batch, all_rows, ROWS, ret->rows, &errors);
        rows = ret->rows;
    }
    if (program->number) ret->number = k_expr_eval(program->number, &bids->batch, rows, ret->count, &errors);
    for (int i = 0; i < OUTPUTS_MAX && program->strings[i]; i++)
        ret->strings[i] = k_expr_eval(program->strings[i], &bids->batch, rows, ret->count, &errors);
    if (errors.count) abort();
}

static void check(const struct shape *shape, const struct made *made, const struct columns *columns)
{
    bool same = made->count == columns->count;
    for (uint32_t n = 0; same && n < made->count; n++) {
        uint32_t row = made->rows[n];
        if (shape->where) same = row == columns->rows[n];
        if (shape->number) same &= made->d[n] == columns->number.d[row];
        for (int i = 0; i < OUTPUTS_MAX && shape->strings[i]; i++)
            same &= k_str_equal(made->s[i][n], columns->strings[i].s[row]);
    }
    if (same) return;
    fprintf(stderr, "%s: the loop by hand computes something else\n", shape->name);
    exit(1);
}

// The median ratio of the speeds, batch by batch in turns, so that both see the same machine.
static double run(const struct shape *shape, uint32_t rounds)
{
    static struct made made;
    static struct columns columns;
    struct k_arena arena, program_arena;
    k_arena_init(&arena);
    k_arena_init(&program_arena);
    struct program program = {compile(&program_arena, shape->where), compile(&program_arena, shape->number), {0}};
    for (int i = 0; i < OUTPUTS_MAX; i++) program.strings[i] = compile(&program_arena, shape->strings[i]);
    double *by_hand = k_new_array(double, rounds), *engine = k_new_array(double, rounds);
    double *ratios = k_new_array(double, rounds);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < rounds; i++) {
        struct bids *bids = &all_bids[i % BATCHES];
        sum += touch(bids);
        k_arena_reset(&arena);
        double begin = cpu_s();
        if (i / BATCHES % 2) shape->by_hand(bids, &made);
        else evaluate(&program, bids, &arena, &columns);
        double middle = cpu_s();
        if (i / BATCHES % 2) evaluate(&program, bids, &arena, &columns);
        else shape->by_hand(bids, &made);
        double end = cpu_s();
        by_hand[i] = i / BATCHES % 2 ? middle - begin : end - middle;
        engine[i] = end - begin - by_hand[i];
        ratios[i] = by_hand[i] / engine[i];
        check(shape, &made, &columns);
    }
    if (sum == 0) abort(); // so that the compiler leaves touch() in
    double ratio = median(ratios, rounds), ns = 1e9 / ROWS;
    printf("%-40s %6.1f ns a record, by hand %6.1f ns: %.2f of its speed\n", shape->name, median(engine, rounds) * ns,
           median(by_hand, rounds) * ns, ratio);
    free(by_hand);
    free(engine);
    free(ratios);
    k_arena_fini(&program_arena);
    k_arena_fini(&arena);
    return ratio;
}

int main(int argc, char **argv)
{
    uint32_t rounds = argc > 1 && atoi(argv[1]) > 0 ? (uint32_t)atoi(argv[1]) : 2000;
    double least = argc > 2 ? atof(argv[2]) : 0, worst = 1e9;
    struct k_arena arena;
    k_arena_init(&arena);
    for (uint32_t i = 0; i < BATCHES; i++) fill(&all_bids[i], 42 + i, &arena);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (argc > 3 && strncmp(shapes[i].name, argv[3], strlen(argv[3])) != 0) continue;
        double ratio = run(&shapes[i], rounds);
        if (ratio < worst) worst = ratio;
    }
    k_arena_fini(&arena);
    if (worst < least) printf("FAIL the slowest has %.2f, at least %.2f is asked for\n", worst, least);
    return worst < least;
}
