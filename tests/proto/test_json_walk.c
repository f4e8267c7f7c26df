// The walk through arrays and objects: what it hands out, and that no text leads it beyond its end.
#include "proto/json_walk.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "proto/json_text.h"
#include "tests/base/test.h"

// All members or elements of a text, as "key=value;" or "value;", and "!" where it is broken.
static void walk(struct k_str text, struct k_buf *out)
{
    struct k_elements at;
    struct k_str key, value[2];
    if (k_members_begin(text, &at)) {
        while (k_members_next(&at, &key, &value[0]))
            k_buf_printf(out, "%.*s=%.*s;", (int)key.length, key.data, (int)value[0].length, value[0].data);
        assert_false(k_members_next(&at, &key, &value[0]));
    } else if (k_elements_begin(text, &at)) {
        while (at.more) {
            uint32_t count = k_elements_next(&at, value, 2);
            for (uint32_t i = 0; i < count; i++) k_buf_printf(out, "%.*s;", (int)value[i].length, value[i].data);
        }
        assert_int_equal(k_elements_next(&at, value, 2), 0);
    } else {
        k_buf_add_text(out, "none");
        return;
    }
    if (at.broken) k_buf_add_text(out, "!");
}

static void says(const char *text, const char *wanted)
{
    struct k_buf out = {0};
    walk(k_str_of(text), &out);
    k_buf_add(&out, "", 1);
    assert_string_equal(out.data, wanted);
    k_buf_fini(&out);
}

static void all_is_handed_out(void **state)
{
    (void)state;
    says(" {\"a\" : 1 , \"b\\\"c\":{\"x\":[1,2]} ,\"\":[ ] } ", "\"a\"=1;\"b\\\"c\"={\"x\":[1,2]};\"\"=[ ];");
    says("{}", "");
    says(" [ ] ", "");
    says("[1, [2, {\"a\":\"]\"}], \"}\\\\\" ,null]", "1;[2, {\"a\":\"]\"}];\"}\\\\\";null;");
    says("[\"a string that is longer than a vector of the machine\",1]",
         "\"a string that is longer than a vector of the machine\";1;");
    says("7", "none");
    says("", "none");
    says("\"{\"", "none");
}

static void no_text_leads_beyond_its_end(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"a\" : [1, {\"b\":\"c\\\"d\"}], \"\\u0061 rather long key, longer than sixteen\" : \"\\\\\", \"z\":{}}",
        "[\"one\", [\"two\", [\"three\\\\\"]], {\"four\" : 4.5e6}, true , null]",
        "{,}",
        "{1:2}",
        "{\"a\"}",
        "{\"a\" 1}",
        "[,]",
        "[1}",
        "{\"a\":1]",
        "[\"\\",
        "{\"\\\"",
        "[[[[",
        "{\"a\":{\"b\":",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t length = strlen(texts[i]);
        for (size_t cut = 0; cut <= length; cut++) {
            // Memory of its own, so that the sanitizers see a read behind it.
            char *copy = malloc(cut ? cut : 1);
            memcpy(copy, texts[i], cut);
            struct k_buf out = {0};
            walk((struct k_str){copy, (uint32_t)cut}, &out);
            k_buf_add(&out, "", 1);
            bool complete = !k_json_check((struct k_str){copy, (uint32_t)cut});
            assert_true(!complete || !strchr(out.data, '!'));
            if (cut < length && i < 2 && cut > 1) assert_true(complete || strchr(out.data, '!') || copy[0] == ' ');
            k_buf_fini(&out);
            free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_handed_out),
        cmocka_unit_test(no_text_leads_beyond_its_end),
    };
    return cmocka_run_group_tests_name("json_walk", tests, NULL, NULL);
}
