// kappa-reference: the reference as a command, so that tests on a real Kafka can compare with it.
//
//   kappa-reference GRAPH --input TOPIC=FILE… --print WHAT…
//
// FILE holds what `ktool consume TOPIC` writes: a line of JSON a message, each partition in the order of its offsets.
// Standard output is sorted lines of JSON; equal results give equal bytes.
#include <stdio.h>
#include <stdlib.h>

#include "base/options.h"
#include "proto/params.h"
#include "tests/reference/reference.h"
#include "tests/tools/json_line.h"

extern char **environ;

enum { OPTION_SET, OPTION_INPUT, OPTION_PARTITIONS, OPTION_PRINT, OPTION_OPEN, OPTION_COUNT };

static const struct k_option options_table[OPTION_COUNT] = {
    [OPTION_SET] = {.name = "set", .argument = "NAME=VALUE", .help = "a parameter of the graph", .repeated = true},
    [OPTION_INPUT] = {.name = "input", .argument = "TOPIC=FILE", .help = "what a topic holds", .repeated = true},
    [OPTION_PARTITIONS] = {.name = "partitions", .argument = "TOPIC=N", .repeated = true,
                           .help = "how many partitions a topic has; by default as many as have records"},
    [OPTION_PRINT] = {.name = "print", .argument = "WHAT", .text = "all", .repeated = true,
                      .help = "tables, table:NAME, sink:NAME, last:NAME (of a sink: its last message of each key), "
                              "topic:NAME, dead-letters, counters, all"},
    [OPTION_OPEN] = {.name = "open", .help = "the input goes on: only what the frontier allows is closed"},
};

static int read_file(const char *path, struct k_buf *out, struct k_error *err)
{
    FILE *file = fopen(path, "rb");
    if (!file) return k_fail(err, K_E_USAGE, "cannot open %s", path);
    size_t got;
    do out->length += got = fread(k_buf_reserve(out, 65536), 1, 65536, file);
    while (got > 0);
    bool broken = ferror(file);
    fclose(file);
    return broken ? k_fail(err, K_E_IO, "cannot read %s", path) : 0;
}

static int read_graph(const struct k_options *options, const char *path, struct k_graph **ret, struct k_error *err)
{
    struct k_buf text = {0}, wrong = {0};
    struct k_diags diags = {0};
    struct k_graph *graph = NULL;
    const struct k_option_value *sets = &options->values[OPTION_SET];
    struct k_params *params = k_params_create(sets->texts, sets->count, (const char *(*)(const char *))getenv);
    int code = read_file(path, &text, err);
    if (!code) {
        code = k_graph_read(path, k_buf_str(&text), K_FORM_AUTO, &diags, &graph);
        if (!code) code = k_params_apply(params, graph, &diags);
        k_diags_print(&diags, &wrong);
        if (code) (void)k_fail(err, code, "the graph is wrong\n%s", wrong.data);
    }
    k_params_destroy(params);
    k_diags_fini(&diags);
    k_buf_fini(&text);
    k_buf_fini(&wrong);
    if (code) k_graph_destroy(graph);
    else *ret = graph;
    return code;
}

// "name=rest"; NULL: there is no '='.
static const char *split(const char *text, char *ret_name, size_t room)
{
    const char *equals = strchr(text, '=');
    if (!equals || (size_t)(equals - text) >= room) return NULL;
    memcpy(ret_name, text, (size_t)(equals - text));
    ret_name[equals - text] = '\0';
    return equals + 1;
}

static int set_partitions(const struct k_options *options, const Kappa__V1__Graph *graph, int32_t *partitions,
                          struct k_error *err)
{
    const struct k_option_value *given = &options->values[OPTION_PARTITIONS];
    for (uint32_t i = 0; i < given->count; i++) {
        char topic[256];
        const char *count = split(given->texts[i], topic, sizeof topic);
        int number = count ? atoi(count) : 0;
        if (number < 1) return k_fail(err, K_E_USAGE, "--partitions: \"%s\" is not TOPIC=N", given->texts[i]);
        for (size_t s = 0; s < graph->n_source; s++) {
            const Kappa__V1__Source *source = graph->source[s];
            const char *own = source->kafka ? source->kafka->topic : NULL;
            if (own && strcmp(own, topic) == 0) partitions[s] = number;
        }
    }
    return 0;
}

enum { PARTITIONS_MAX = 4096 };

static int feed_line(struct reference *reference, const char *topic, const struct line *line, int64_t *next,
                     struct k_error *err)
{
    struct reference_header headers[LINE_HEADERS_MAX];
    struct reference_record record = {
        .partition = line->partition < 0 ? 0 : line->partition,
        .timestamp_us = line->timestamp < 0 ? -1 : line->timestamp * 1000,
        .key = {line->key.data, (uint32_t)line->key.length}, .has_key = line->key.data,
        .value = {line->value.data, (uint32_t)line->value.length}, .has_value = line->value.data,
        .headers = headers, .header_count = (uint32_t)line->header_count,
    };
    if (record.partition >= PARTITIONS_MAX) return k_fail(err, K_E_DATA, "partition %d", record.partition);
    record.offset = line->offset < 0 ? next[record.partition] : line->offset;
    if (record.offset < next[record.partition])
        return k_fail(err, K_E_DATA, "partition %d is out of order at offset %lld", record.partition,
                      (long long)record.offset);
    next[record.partition] = record.offset + 1;
    for (size_t i = 0; i < line->header_count; i++) {
        const struct line_header *h = &line->headers[i];
        headers[i].name = (struct k_str){h->name.data, (uint32_t)h->name.length};
        headers[i].value = (struct k_str){h->value.data, (uint32_t)h->value.length};
        headers[i].null = !h->value.data;
    }
    return reference_feed_topic(reference, topic, &record, err);
}

static int feed_file(struct reference *reference, const char *topic, const char *path, struct k_error *err)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (!file) return k_fail(err, K_E_USAGE, "cannot open %s", path);
    struct line *line = k_new(struct line);
    int64_t *next = k_new_array(int64_t, PARTITIONS_MAX);
    char *text = NULL;
    size_t room = 0;
    ssize_t length;
    long long number = 0;
    int code = 0;
    while (!code && (length = getline(&text, &room, file)) >= 0) {
        number++;
        while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r')) text[--length] = '\0';
        if (length == 0) continue;
        const char *wrong = line_read(text, (size_t)length, line);
        code = wrong ? k_fail(err, K_E_DATA, "%s", wrong) : feed_line(reference, topic, line, next, err);
        if (code) (void)k_wrap(err, code, "%s:%lld", path, number);
    }
    free(text);
    free(next);
    free(line);
    if (file != stdin) fclose(file);
    return code;
}

static int feed_all(struct reference *reference, const struct k_options *options, struct k_error *err)
{
    const struct k_option_value *inputs = &options->values[OPTION_INPUT];
    for (uint32_t i = 0; i < inputs->count; i++) {
        char topic[256];
        const char *path = split(inputs->texts[i], topic, sizeof topic);
        if (!path) return k_fail(err, K_E_USAGE, "--input: \"%s\" is not TOPIC=FILE", inputs->texts[i]);
        int code = feed_file(reference, topic, path, err);
        if (code) return code;
    }
    bool open;
    int code = k_options_flag(options, OPTION_OPEN, &open, err);
    if (code) return code;
    return open ? reference_settle(reference, err) : reference_final(reference, err);
}

static const char *topic_of_sink(const Kappa__V1__Graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_sink; i++)
        if (strcmp(graph->sink[i]->name, name) == 0 && graph->sink[i]->kafka) return graph->sink[i]->kafka->topic;
    return NULL;
}

static int print(struct reference *reference, const Kappa__V1__Graph *graph, const char *what, struct k_buf *out,
                 struct k_error *err)
{
    enum { EVERYTHING = REFERENCE_TABLES | REFERENCE_TOPICS | REFERENCE_DEAD_LETTERS | REFERENCE_COUNTERS };
    static const struct {
        const char *word;
        unsigned what;
    } words[] = {
        {"tables", REFERENCE_TABLES},     {"dead-letters", REFERENCE_DEAD_LETTERS},
        {"counters", REFERENCE_COUNTERS}, {"all", EVERYTHING},
        {"table:", REFERENCE_TABLES},     {"sink:", REFERENCE_TOPICS},
        {"last:", REFERENCE_LAST},        {"topic:", REFERENCE_TOPICS},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t length = strlen(words[i].word);
        bool named = words[i].word[length - 1] == ':';
        if (strncmp(what, words[i].word, length) != 0 || (!named && what[length])) continue;
        const char *name = named ? what + length : NULL;
        bool sink = named && (words[i].word[0] == 's' || words[i].word[0] == 'l');
        if (sink) name = topic_of_sink(graph, name);
        if (named && !name) return k_fail(err, K_E_USAGE, "--print: there is no sink \"%s\"", what + length);
        reference_print(reference, words[i].what, name, out);
        return 0;
    }
    return k_fail(err, K_E_USAGE, "--print: \"%s\" is nothing that there is", what);
}

static int run(const struct k_options *options, struct k_error *err)
{
    struct k_graph *graph = NULL;
    struct reference *reference = NULL;
    struct k_buf out = {0};
    if (options->operand_count != 1) return k_fail(err, K_E_USAGE, "one graph is wanted");
    int code = read_graph(options, options->operands[0], &graph, err);
    if (code) return code;
    const Kappa__V1__Graph *message = k_graph_message(graph);
    int32_t *partitions = k_new_array(int32_t, message->n_source);
    code = set_partitions(options, message, partitions, err);
    if (!code) code = reference_create(message, partitions, &reference, err);
    if (!code) code = feed_all(reference, options, err);
    const struct k_option_value *wanted = &options->values[OPTION_PRINT];
    for (uint32_t i = 0; i < wanted->count && !code; i++) code = print(reference, message, wanted->texts[i], &out, err);
    if (!code && fwrite(out.data, 1, out.length, stdout) < out.length) code = k_fail(err, K_E_IO, "cannot write");
    free(partitions);
    k_buf_fini(&out);
    reference_destroy(reference);
    k_graph_destroy(graph);
    return code;
}

int main(int argc, char **argv)
{
    struct k_error err = {0};
    struct k_options options = {0};
    int code = k_options_parse(&options, options_table, OPTION_COUNT, argc, argv, environ, &err);
    if (!code && options.help) {
        struct k_buf help = {0};
        k_buf_add_text(&help, "usage: kappa-reference GRAPH [OPTION]…\n");
        k_options_help(&help, options_table, OPTION_COUNT, 100);
        fwrite(help.data, 1, help.length, stdout);
        k_buf_fini(&help);
    } else if (!code) {
        code = run(&options, &err);
    }
    if (code) fprintf(stderr, "kappa-reference: %s\n", err.text);
    k_options_fini(&options);
    return k_error_status(code);
}
