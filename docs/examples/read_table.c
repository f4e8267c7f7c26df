/* Prints rows of a serving table, or one row by its key:
 *
 *     read_table STATE_DIR TABLE [KEY…]
 *
 * Built with the tree; outside it: cc read_table.c $(pkg-config --cflags --libs libkappa)
 */
#include <inttypes.h>
#include <kappa.h>
#include <stdio.h>
#include <time.h>


static void print_value(const struct kappa_value *value)
{
    if (value->is_null) {
        printf("NULL");
        return;
    }
    switch (value->type) {
    case KAPPA_BOOL: printf("%s", value->as.boolean ? "true" : "false"); break;
    case KAPPA_INT64: printf("%" PRId64, value->as.integer); break;
    case KAPPA_DOUBLE: printf("%g", value->as.real); break;
    case KAPPA_TIMESTAMP: {
        time_t seconds = (time_t)(value->as.integer / 1000000 - (value->as.integer % 1000000 < 0));
        char text[32];
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime(&seconds));
        printf("%s", text);
        break;
    }
    default: printf("%.*s", (int)value->as.text.length, value->as.text.data); break;
    }
}

static int print_row(void *context, const struct kappa_table *table, const struct kappa_value *values)
{
    (void)context;
    for (size_t i = 0; i < table->column_count; i++) {
        printf("%s%s=", i ? "  " : "", table->columns[i].name);
        print_value(&values[i]);
    }
    printf("\n");
    return 1; /* go on */
}

static void print_answer(const struct kappa_answer *answer)
{
    for (size_t i = 0; i < answer->shard_count; i++)
        fprintf(stderr, "shard %u of %zu, generation %s, at journal offset %" PRId64 "\n", answer->shards[i].shard,
                answer->shards_total, answer->shards[i].generation, answer->shards[i].journal_offset);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s STATE_DIR TABLE [KEY...]\n", argv[0]);
        return 64;
    }
    kappa_reader *reader;
    int result = kappa_open(argv[1], NULL, "live", &reader);
    if (result == KAPPA_OK && argc == 3) result = kappa_scan(reader, argv[2], NULL, print_row, NULL);
    if (result == KAPPA_OK && argc > 3) {
        const struct kappa_table *table;
        const struct kappa_value *values;
        result = kappa_get(reader, argv[2], (const char *const *)&argv[3], (size_t)argc - 3, &table, &values);
        if (result == KAPPA_OK) print_row(NULL, table, values);
    }
    if (result == KAPPA_OK) print_answer(kappa_last_answer(reader));
    else fprintf(stderr, "%s: %s\n", argv[0], kappa_error(reader));
    kappa_close(reader);
    return result;
}
