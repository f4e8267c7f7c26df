#include "tests/state/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/directory.h"

uint64_t test_seed(const char *test)
{
    const char *given = getenv("KAPPA_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 20260101;
    fprintf(stderr, "# %s: KAPPA_SEED=%llu\n", test, (unsigned long long)seed);
    return seed;
}

char *make_directory(void)
{
    const char *base = getenv("TMPDIR");
    char *directory = k_format("%s/kappa-state-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(directory));
    return directory;
}

void remove_directory(char *directory)
{
    k_tree_remove(directory);
    free(directory);
}

// The process that the tests run in; set before main.
static pid_t test_process;
__attribute__((constructor)) static void note_process(void) { test_process = getpid(); }

void check_ok(int rc, const struct k_error *err)
{
    if (rc != 0 && getpid() != test_process) {
        fprintf(stderr, "# child: %s: %s\n", k_error_name(rc), err->text);
        _exit(1);
    }
    if (rc != 0) fail_msg("%s: %s", k_error_name(rc), err->text);
}

static void thing_encode(const void *value, const void *context, struct k_buf *out)
{
    (void)context;
    const struct thing *thing = value;
    k_buf_add(out, &thing->number, 8);
    k_buf_add(out, thing->text, thing->length);
}

static int thing_decode(struct k_str bytes, const void *context, void *value, struct k_error *err)
{
    (void)context;
    if (bytes.length < 8) return k_fail(err, K_E_CORRUPT, "a thing of %u bytes", bytes.length);
    struct thing *thing = value;
    memcpy(&thing->number, bytes.data, 8);
    thing->length = bytes.length - 8;
    thing->text = thing->length ? k_strndup(bytes.data + 8, thing->length) : NULL;
    return 0;
}

static void thing_fini(void *value, const void *context)
{
    (void)context;
    free(((struct thing *)value)->text);
}

static size_t thing_owned(const void *value, const void *context)
{
    (void)context;
    return ((const struct thing *)value)->length;
}

const struct k_family_type thing_type = {
    .size = sizeof(struct thing),
    .encode = thing_encode,
    .decode = thing_decode,
    .fini = thing_fini,
    .owned_bytes = thing_owned,
};

void thing_set(struct thing *thing, int64_t number, struct k_str text)
{
    free(thing->text);
    thing->number = number;
    thing->length = text.length;
    thing->text = text.length ? k_strndup(text.data, text.length) : NULL;
}

static void plain_encode(const void *value, const void *context, struct k_buf *out)
{
    (void)context;
    k_buf_add(out, value, sizeof(struct plain));
}

static int plain_decode(struct k_str bytes, const void *context, void *value, struct k_error *err)
{
    (void)context;
    if (bytes.length != sizeof(struct plain)) return k_fail(err, K_E_CORRUPT, "a plain of %u bytes", bytes.length);
    memcpy(value, bytes.data, bytes.length);
    return 0;
}

const struct k_family_type plain_type = {
    .size = sizeof(struct plain), .encode = plain_encode, .decode = plain_decode};
