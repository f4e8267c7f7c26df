#include "cli/parity_report.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_out.h"
#include "replay/control.h"

static char *directory_of(const char *state_dir, const char *graph)
{
    return k_format("%s/.reports/%s", state_dir, graph);
}

void report_keys_begin(struct report_keys *keys, const char *state_dir, const char *graph, uint64_t report)
{
    char *above = k_format("%s/.reports", state_dir);
    keys->directory = directory_of(state_dir, graph);
    keys->path = k_format("%s/%llu.jsonl", keys->directory, (unsigned long long)report);
    keys->part = k_format("%s.part", keys->path);
    (void)!mkdir(above, 0700); // an error shows when the file is made
    (void)!mkdir(keys->directory, 0700);
    free(above);
    keys->file = fopen(keys->part, "w");
    if (!keys->file)
        fprintf(stderr, "kappa parity: the keys are not kept: %s cannot be made: %s\n", keys->part, strerror(errno));
}

void report_keys_add(struct report_keys *keys, struct k_str line)
{
    if (!keys->file) return;
    fwrite(line.data, 1, line.length, keys->file);
    fputc('\n', keys->file);
}

// As many as the control record keeps reports.
static void prune(const char *directory, uint64_t newest)
{
    DIR *all = opendir(directory);
    const struct dirent *entry;
    while (all && (entry = readdir(all))) {
        uint64_t report = strtoull(entry->d_name, NULL, 10);
        if (!report || report + K_PARITIES_MAX > newest) continue;
        char *path = k_format("%s/%s", directory, entry->d_name);
        unlink(path);
        free(path);
    }
    if (all) closedir(all);
}

void report_keys_end(struct report_keys *keys, bool whole)
{
    bool good = keys->file && !ferror(keys->file);
    if (keys->file) good &= fclose(keys->file) == 0;
    if (keys->path && whole && good && rename(keys->part, keys->path) == 0)
        prune(keys->directory, strtoull(strrchr(keys->path, '/') + 1, NULL, 10));
    else if (keys->part) unlink(keys->part);
    if (whole && keys->file && !good) fprintf(stderr, "kappa parity: the keys are not kept: %s\n", strerror(errno));
    free(keys->directory);
    free(keys->path);
    free(keys->part);
    *keys = (struct report_keys){0};
}

int report_keys_print(const char *state_dir, const char *graph, uint64_t report, const char *table, uint64_t limit,
                      struct k_error *err)
{
    char *directory = directory_of(state_dir, graph);
    char *path = k_format("%s/%llu.jsonl", directory, (unsigned long long)report);
    FILE *file = fopen(path, "r");
    int code = 0;
    if (!file)
        code = k_fail(err, errno == ENOENT ? K_E_NOT_FOUND : K_E_IO,
                      "the keys of report %llu of \"%s\" are not in %s: %s", (unsigned long long)report, graph,
                      directory, strerror(errno));
    // Every line begins with its table.
    struct k_buf wanted = {0}, last = {0};
    k_buf_add_text(&wanted, "{\"table\":");
    if (table) k_json_string(&wanted, k_str_of(table));
    if (table) k_buf_add_char(&wanted, ',');
    char *line = NULL;
    size_t room = 0;
    uint64_t shown = 0;
    ssize_t length;
    while (file && (length = getline(&line, &room, file)) > 0) {
        const char *end = strstr(line, ",\"difference\":");
        if (!end || strncmp(line, wanted.data, wanted.length) != 0) continue;
        struct k_str of = {line, (uint32_t)(end - line)};
        if (!k_str_equal(of, k_buf_str(&last))) shown = 0; // another table begins
        k_buf_clear(&last);
        k_buf_add(&last, of.data, of.length);
        if (shown++ < limit) fwrite(line, 1, (size_t)length, stdout);
    }
    if (file) fclose(file);
    free(line);
    k_buf_fini(&wanted);
    k_buf_fini(&last);
    free(directory);
    free(path);
    return code;
}
