// table: what is stored, byte for byte as readers expect it; puts and removals in the order of the rows.
#include "tests/operators/harness.h"

#include "proto/internal.pb-c.h"
#include "state/table.h"

#define HEAD                                                                                              \
    "name: 'g' schema { name: 'S' field: 'v int64' field: 'k string' field: 'e timestamp' }\n"            \
    "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }\n"
#define TABLE HEAD "table { name: 'tt' input: 's' key: 'k' }"

// The table as lines "key base row", read from the store.
static void read_table(struct harness *h, struct k_buf *out)
{
    struct k_error err = {0};
    struct k_buf hex = {0};
    harness_dump(h, &hex);
    k_buf_fini(&hex);
    struct k_store *store = k_state_store(h->state);
    struct k_store_iterator *iterator;
    assert_int_equal(store->ops->iterate(store, K_STR("\x01"), (struct k_str){0}, &iterator, &err), 0);
    struct k_str key, bytes;
    k_buf_clear(out);
    while (store->ops->next(iterator, &key, &bytes, &err)) {
        struct k_value values[3], key_value;
        int64_t base_us;
        size_t used;
        struct k_str own = {key.data + 13, key.length - 13};
        assert_int_equal(k_key_decode(own, 1, &h->arena, &key_value, &used, &err), 0);
        assert_int_equal(k_table_row_decode(bytes, 3, &base_us, values, &err), 0);
        k_value_json(out, &key_value);
        k_buf_printf(out, " %lld", (long long)base_us);
        for (int i = 0; i < 3; i++) {
            k_buf_add_char(out, ' ');
            k_value_json(out, &values[i]);
        }
        k_buf_add_char(out, '\n');
    }
    store->ops->iterate_end(iterator);
}

static void last_row_of_a_key_stays(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        {"{\"v\":1,\"k\":\"a\",\"e\":1}", 11, INT64_MIN, 0},
        {"{\"v\":2,\"k\":\"b\",\"e\":null}", 12, INT64_MIN, 0},
        {"{\"v\":3,\"k\":\"a\",\"e\":2}", 13, INT64_MIN, 0},
        {"{\"v\":4,\"k\":null,\"e\":2}", 14, INT64_MIN, 0},
    };
    for (uint32_t batch = 1; batch <= 4; batch += 3) {
        struct harness h;
        struct k_buf table = {0};
        harness_open(&h, TABLE, NULL);
        assert_int_equal(harness_feed(&h, rows, 4, batch), 0);
        read_table(&h, &table);
        assert_text(&table, "\"a\" 13 3 \"a\" \"1970-01-01T00:00:00.002Z\"\n\"b\" 12 2 \"b\" null\n");
        assert_text(&h.letters, "null_key {\"v\":4,\"k\":null,\"e\":\"1970-01-01T00:00:00.002Z\"}\n");
        harness_check_sums(&h);
        harness_close(&h);
        k_buf_fini(&table);
    }
}

static void takes_back_in_order(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        {"{\"v\":1,\"k\":\"a\",\"e\":5}", 1, INT64_MIN, 1},  {"{\"v\":1,\"k\":\"b\",\"e\":5}", 2, INT64_MIN, 1},
        {"{\"v\":1,\"k\":\"a\",\"e\":5}", 3, INT64_MIN, -1}, {"{\"v\":2,\"k\":\"a\",\"e\":5}", 4, INT64_MIN, 1},
        {"{\"v\":1,\"k\":\"b\",\"e\":5}", 5, INT64_MIN, -1}, {"{\"v\":7,\"k\":\"c\",\"e\":5}", 6, INT64_MIN, 1},
        {"{\"v\":7,\"k\":\"c\",\"e\":5}", 7, INT64_MIN, -1}, {"{\"v\":8,\"k\":\"d\",\"e\":5}", 8, INT64_MIN, 1},
        {"{\"v\":0,\"k\":null,\"e\":5}", 9, INT64_MIN, -1},
    };
    struct harness_input input = {.updating = true, .unique = "k", .window_end = "e"};
    for (uint32_t batch = 1; batch <= 9; batch += 4) {
        struct harness h;
        struct k_buf table = {0};
        harness_open(&h, TABLE, &input);
        assert_int_equal(harness_feed(&h, rows, 5, batch), 0);
        harness_reopen(&h); // nothing was saved: all of it again
        assert_int_equal(harness_feed(&h, rows, 9, batch), 0);
        read_table(&h, &table);
        assert_text(&table, "\"a\" 5000 2 \"a\" \"1970-01-01T00:00:00.005Z\"\n"
                            "\"d\" 5000 8 \"d\" \"1970-01-01T00:00:00.005Z\"\n");
        assert_int_equal(h.counters.dead_lettered, 0);
        harness_check_sums(&h);
        // What the store has goes, too.
        assert_int_equal(harness_feed(&h, rows + 2, 1, 1), 0);
        read_table(&h, &table);
        assert_text(&table, "\"d\" 5000 8 \"d\" \"1970-01-01T00:00:00.005Z\"\n");
        harness_close(&h);
        k_buf_fini(&table);
    }
}

static void long_rows_are_kept_whole(void **unused)
{
    (void)unused;
    static char json[3000];
    strcpy(json, "{\"v\":1,\"e\":5,\"k\":\"");
    memset(json + strlen(json), 'x', 2000);
    strcat(json, "\"}");
    struct row rows[] = {{json, 1, INT64_MIN, 0}, {"{\"v\":1,\"k\":\"short\",\"e\":5}", 2, INT64_MIN, 0}};
    struct harness h;
    struct k_buf table = {0};
    harness_open(&h, TABLE, NULL);
    for (int i = 0; i < 3; i++) assert_int_equal(harness_feed(&h, rows, 2, 2), 0);
    read_table(&h, &table);
    assert_true(table.length > 4000);
    assert_non_null(strstr(table.data, "\"short\" 2 1"));
    harness_close(&h);
    k_buf_fini(&table);
}

static void readers_find_the_schema(void **unused)
{
    (void)unused;
    struct harness h;
    struct k_error err = {0};
    struct k_str bytes;
    harness_open(&h, HEAD "table { name: 'tt' input: 's' key: 'k' key: 'v' retention: '7d' }", NULL);
    assert_int_equal(k_state_get_meta(h.state, "table/tt", &h.arena, &bytes, &err), 0);
    assert_non_null(bytes.data);
    Kappa__Internal__TableInfo *info =
        kappa__internal__table_info__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    assert_non_null(info);
    assert_string_equal(info->name, "tt");
    assert_int_equal(info->n_column, 3); // the system columns are no columns of a table
    assert_string_equal(info->column[2]->name, "e");
    assert_int_equal(info->column[2]->type, K_TIMESTAMP);
    assert_int_equal(info->n_key, 2);
    assert_int_equal(info->key[0], 1);
    assert_int_equal(info->key[1], 0);
    assert_int_equal(info->retention_us, INT64_C(7) * 86400 * SECOND);
    kappa__internal__table_info__free_unpacked(info, NULL);
    harness_close(&h);
}

static void expired_rows_are_swept(void **unused)
{
    (void)unused;
    static const struct row rows[] = {{"{\"v\":1,\"k\":\"a\",\"e\":1}", 1 * SECOND, INT64_MIN, 0},
                                      {"{\"v\":2,\"k\":\"b\",\"e\":1}", 5 * SECOND, INT64_MIN, 0}};
    struct harness h;
    struct k_buf table = {0};
    harness_open(&h, HEAD "table { name: 'tt' input: 's' key: 'k' retention: '10s' }", NULL);
    assert_int_equal(harness_feed(&h, rows, 2, 2), 0);
    read_table(&h, &table);
    struct k_error err;
    assert_false(h.node.frontier); // invisible, so no work for the journal
    assert_int_equal(h.node.type->tidy(h.instance, 11 * SECOND - 1, &err), 0);
    assert_int_equal(h.node.type->tidy(h.instance, 11 * SECOND, &err), 0);
    read_table(&h, &table);
    assert_text(&table, "\"b\" 5000000 2 \"b\" \"1970-01-01T00:00:00.001Z\"\n");
    harness_close(&h);
    k_buf_fini(&table);
}

static void plans_say_what_the_key_means(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(&h, TABLE, NULL);
    assert_string_equal(h.node.state, "rows by key k, kept for ever; several rows may share a key: the last one wins, "
                                      "in the journal's order");
    harness_close(&h);
    struct harness_input input = {.updating = true, .unique = "k", .window_end = "e"};
    harness_open(&h, HEAD "table { name: 'tt' input: 's' key: 'k' key: 'v' retention: '1h' }", &input);
    assert_string_equal(h.node.state, "rows by key k, v, kept 1h after their window's end");
    harness_close(&h);
    harness_plan(&h, HEAD "table { name: 'tt' input: 's' retention: 'x' }", NULL);
    assert_string_equal(
        harness_diags(&h),
        "g:3:1: error[K0401]: table \"tt\" has no key; add  key: \"COLUMN\"\n"
        "g:3:42: error[K0402]: retention: \"x\" is not a duration, such as \"90s\", \"5m\" or \"1h30m\"\n");
    harness_close(&h);
    harness_plan(
        &h, HEAD "table { name: 'tt' input: 's' key: 'kk' key: 'v' key: 'v' key: '_offset' retention: '0s' }", NULL);
    assert_string_equal(
        harness_diags(&h),
        "g:3:36: error[K0406]: key: unknown column \"kk\"; \"s\" offers v, k, e\n"
        "g:3:55: error[K0404]: key: \"v\" is named twice\n"
        "g:3:64: error[K0406]: key: \"_offset\" is a system column, which tables do not keep; give it a name "
        "with  map\n"
        "g:3:85: error[K0402]: retention: \"0s\" is too short; it must be longer than 0s\n");
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_row_of_a_key_stays), cmocka_unit_test(takes_back_in_order),
        cmocka_unit_test(long_rows_are_kept_whole), cmocka_unit_test(readers_find_the_schema),
        cmocka_unit_test(expired_rows_are_swept),  cmocka_unit_test(plans_say_what_the_key_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
