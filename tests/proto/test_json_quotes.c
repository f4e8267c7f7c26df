// Where strings begin and end: each kernel that this machine has, beside a walk byte by byte.
#include "tests/proto/decode.h"

#include "base/hash.h"
#include "proto/json_quotes.h"

static uint64_t seed = 20260101;

// As json_quotes.h says it, by counting the backslashes before each quote.
static const char *slowly(struct k_str text, uint32_t *ret_at, uint32_t *ret_count)
{
    uint32_t count = 0;
    bool control = false;
    for (uint32_t i = 0; i < text.length; i++) {
        uint32_t backslashes = 0;
        while (backslashes < i && text.data[i - 1 - backslashes] == '\\') backslashes++;
        if (text.data[i] == '"' && backslashes % 2 == 0) ret_at[count++] = i;
        else if ((uint8_t)text.data[i] < ' ' && count % 2) control = true;
    }
    *ret_count = count;
    return count % 2 ? "a string does not end" : control ? "a string holds a control character" : NULL;
}

static void put_text(struct k_buf *out, uint64_t length)
{
    static const char *const kinds[] = {"\"\\a\n",
                                        "\"\"\"\"",
                                        "\\\\\\\"",
                                        "aaaaaaaaaaaaaaaaaaaaaaa\"",
                                        "ab \"\x80\xff\x7f\x1f ",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\\",
                                        "a\n"};
    const char *bytes = kinds[k_random_below(&seed, sizeof kinds / sizeof kinds[0])];
    k_buf_clear(out);
    for (uint64_t i = 0; i < length; i++) k_buf_add_char(out, bytes[k_random_below(&seed, strlen(bytes))]);
    if (length && k_random_below(&seed, 8) == 0) out->data[k_random_below(&seed, length)] = 0;
}

static void test_kernels(void **state)
{
    (void)state;
    enum { LONGEST = 400 };
    struct k_buf buf = {0};
    struct k_json_quotes quotes;
    uint32_t wanted[LONGEST + 1], kernels = 0, good = 0;
    k_json_quotes_init(&quotes);
    for (uint32_t kernel = 0; kernel < K_JSON_KERNELS; kernel++) {
        if (!k_json_quotes_use(&quotes, kernel)) continue;
        kernels++;
        for (uint32_t round = 0; round < 40000; round++) {
            put_text(&buf, round % LONGEST);
            uint32_t count;
            char *text = exact_copy(k_buf_str(&buf));
            const char *why = slowly(k_buf_str(&buf), wanted, &count);
            const char *said = k_json_quotes_find(&quotes, text, (uint32_t)buf.length);
            if (why || said) assert_string_equal(said ? said : "", why ? why : "");
            assert_int_equal(quotes.count, count);
            assert_memory_equal(quotes.at, wanted, count * sizeof *wanted);
            assert_int_equal(quotes.at[count], buf.length);
            assert_int_equal(quotes.at[count + 1], buf.length);
            good += !why;
            free(text);
        }
    }
    assert_true(kernels > 0);
    assert_in_range(good, kernels * 4000, kernels * 36000);
    k_json_quotes_fini(&quotes);
    k_buf_fini(&buf);
}

// A long text gets its room, and gives it back.
static void test_room(void **state)
{
    (void)state;
    enum { LENGTH = 3000000 };
    char *text = malloc(LENGTH);
    assert_non_null(text);
    memset(text, '"', LENGTH);
    struct k_json_quotes quotes;
    k_json_quotes_init(&quotes);
    for (int i = 0; i < 2; i++) {
        assert_null(k_json_quotes_find(&quotes, text, LENGTH));
        assert_int_equal(quotes.count, LENGTH);
        assert_int_equal(quotes.at[LENGTH - 1], LENGTH - 1);
        assert_null(k_json_quotes_find(&quotes, text, 1000));
        assert_true(quotes.room < LENGTH / 2);
    }
    k_json_quotes_fini(&quotes);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernels), cmocka_unit_test(test_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
