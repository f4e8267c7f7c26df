// Byte strings, buffers and variable-length integers.
#include "tests/base/test.h"

#include "base/bytes.h"
#include "base/hash.h"

static void test_order_is_by_unsigned_byte_then_length(void **state)
{
    (void)state;
    static const struct k_str sorted[] = {
        {NULL, 0}, {"\0", 1}, {"a", 1}, {"a\0", 2}, {"ab", 2}, {"b", 1}, {"\x7f", 1}, {"\x80", 1}, {"\xff", 1}};
    enum { COUNT = sizeof sorted / sizeof *sorted };
    for (int i = 0; i < COUNT; i++) {
        for (int j = 0; j < COUNT; j++) {
            int order = k_str_compare(sorted[i], sorted[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            assert_int_equal(k_str_equal(sorted[i], sorted[j]), i == j);
        }
    }
    assert_true(k_str_equal(k_str_of(NULL), K_STR("")));
}

static void test_buffer_grows_and_ends_in_nul(void **state)
{
    (void)state;
    struct k_buf buf = {0};
    assert_int_equal(k_buf_str(&buf).length, 0);
    assert_non_null(k_buf_str(&buf).data);
    k_buf_add(&buf, NULL, 0);
    assert_string_equal(buf.data, "");
    for (int i = 0; i < 10000; i++) {
        k_buf_add_char(&buf, (char)('a' + i % 26));
        assert_int_equal(buf.length, i + 1);
        assert_int_equal(buf.data[buf.length], '\0');
        assert_true(buf.capacity > buf.length);
    }
    for (int i = 0; i < 10000; i++) assert_int_equal(buf.data[i], 'a' + i % 26);
    k_buf_clear(&buf);
    k_buf_add_text(&buf, "x");
    k_buf_add(&buf, "\0y", 2);
    assert_true(k_str_equal(k_buf_str(&buf), (struct k_str){"x\0y", 3}));
    k_buf_fini(&buf);
    assert_null(buf.data);
    k_buf_fini(&buf);
    k_buf_fini(NULL);
}

// Every length around the first guess of k_buf_printf, behind every fill of the buffer.
static void test_printf_of_any_length(void **state)
{
    (void)state;
    for (int fill = 0; fill < 70; fill += 7) {
        for (int width = 1; width < 200; width++) {
            struct k_buf buf = {0};
            for (int i = 0; i < fill; i++) k_buf_add_char(&buf, '-');
            k_buf_printf(&buf, "%0*d|", width, 7);
            assert_int_equal(buf.length, fill + width + 1);
            assert_int_equal(buf.data[buf.length], '\0');
            assert_int_equal(buf.data[buf.length - 1], '|');
            assert_int_equal(buf.data[buf.length - 2], '7');
            k_buf_fini(&buf);
        }
    }
}

static void assert_varint(uint64_t value, size_t length)
{
    struct k_buf buf = {0};
    k_buf_add_varint(&buf, value);
    assert_int_equal(buf.length, length);
    uint64_t read = ~value;
    assert_int_equal(k_get_varint(buf.data, buf.length, &read), length);
    assert_int_equal(read, value);
    // Cut short anywhere it is refused, and the result stays untouched.
    for (size_t cut = 0; cut < length; cut++) {
        uint64_t untouched = 99;
        assert_int_equal(k_get_varint(buf.data, cut, &untouched), 0);
        assert_int_equal(untouched, 99);
    }
    k_buf_fini(&buf);
}

static void test_varint(void **state)
{
    (void)state;
    assert_varint(0, 1);
    assert_varint(127, 1);
    assert_varint(128, 2);
    assert_varint(300, 2);
    for (unsigned bits = 1; bits < 64; bits++) {
        assert_varint(((uint64_t)1 << bits) - 1, (bits + 6) / 7);
        assert_varint((uint64_t)1 << bits, bits / 7 + 1);
    }
    assert_varint(UINT64_MAX, 10);
    struct k_buf buf = {0};
    k_buf_add_varint(&buf, 300); // protobuf's own example
    assert_memory_equal(buf.data, "\xAC\x02", 2);
    k_buf_fini(&buf);
    uint64_t value;
    assert_int_equal(k_get_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, &value), 0); // 65 bits
    assert_int_equal(k_get_varint("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, &value), 0);
}

static void assert_zigzag(int64_t value, const char *bytes, size_t length)
{
    struct k_buf buf = {0};
    k_buf_add_zigzag(&buf, value);
    if (bytes != NULL) assert_memory_equal(buf.data, bytes, length);
    int64_t read;
    assert_int_equal(k_get_zigzag(buf.data, buf.length, &read), buf.length);
    assert_int_equal(read, value);
    assert_int_equal(k_get_zigzag(buf.data, buf.length - 1, &read), 0);
    k_buf_fini(&buf);
}

static void test_zigzag(void **state)
{
    (void)state;
    assert_zigzag(0, "\x00", 1);
    assert_zigzag(-1, "\x01", 1);
    assert_zigzag(1, "\x02", 1);
    assert_zigzag(-2, "\x03", 1);
    assert_zigzag(INT32_MAX, "\xfe\xff\xff\xff\x0f", 5);
    assert_zigzag(INT64_MAX, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
    assert_zigzag(INT64_MIN, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
    uint64_t seed = 7;
    for (int i = 0; i < 2000; i++) assert_zigzag((int64_t)(k_random(&seed) >> k_random_below(&seed, 64)), NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_is_by_unsigned_byte_then_length),
        cmocka_unit_test(test_buffer_grows_and_ends_in_nul),
        cmocka_unit_test(test_printf_of_any_length),
        cmocka_unit_test(test_varint),
        cmocka_unit_test(test_zigzag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
