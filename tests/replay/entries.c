// The entries of a state, as text.
#include "tests/replay/entries.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/base/test.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_hex(struct k_buf *out, struct k_str bytes)
{
    for (uint32_t i = 0; i < bytes.length; i++) k_buf_printf(out, "%02x", (unsigned char)bytes.data[i]);
}

char *entries_of(struct k_memory_disk *disk)
{
    struct k_store *store;
    struct k_error err = {0};
    struct k_store_iterator *iterator;
    struct k_str key, value;
    char *names[64] = {0}, **lines = k_new_array(char *, 100000);
    size_t count = 0;
    struct k_buf out = {0};
    assert_int_equal(k_store_memory_open(disk, NULL, NULL, &store, &err), 0);
    assert_int_equal(store->ops->iterate(store, K_STR(""), (struct k_str){NULL, 0}, &iterator, &err), 0);
    while (store->ops->next(iterator, &key, &value, &err)) {
        struct k_buf line = {0};
        uint32_t number;
        if (key.data[0] == 0 && key.length > 8 && memcmp(key.data + 1, "family/", 7) == 0) {
            memcpy(&number, value.data, 4);
            names[__builtin_bswap32(number)] = k_strndup(key.data + 8, key.length - 8);
            k_buf_printf(&line, "%.*s", (int)key.length - 1, key.data + 1);
        } else if (key.data[0] == 0) {
            k_buf_printf(&line, "%.*s", (int)key.length - 1, key.data + 1);
        } else {
            memcpy(&number, key.data + 1, 4);
            const char *name = names[__builtin_bswap32(number)];
            assert_non_null(name); // nothing lies there that nobody knows
            k_buf_printf(&line, "%s ", name);
            add_hex(&line, (struct k_str){key.data + 5, key.length - 5});
            k_buf_add_char(&line, '=');
            add_hex(&line, value);
        }
        k_buf_add_char(&line, 0);
        if (strcmp(line.data, "takeover") == 0) k_buf_fini(&line);
        else lines[count++] = line.data;
    }
    store->ops->iterate_end(iterator);
    store->ops->close(store);
    qsort(lines, count, sizeof *lines, by_text);
    for (size_t i = 0; i < count; i++) {
        k_buf_printf(&out, "%s\n", lines[i]);
        free(lines[i]);
    }
    free(lines);
    for (int i = 0; i < 64; i++) free(names[i]);
    k_buf_add_char(&out, 0);
    return out.data;
}
