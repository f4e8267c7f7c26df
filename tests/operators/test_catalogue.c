// The catalogue against the other places that know operators by name: the graph's messages, and the tests.
#include "tests/operators/harness.h"

static bool tested(const char *name)
{
    static const char *const names[] = {TESTED};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static void every_arm_has_its_operator(void **unused)
{
    (void)unused;
    static const struct {
        const ProtobufCMessageDescriptor *message;
        const char *oneof;
    } places[] = {{&kappa__v1__node__descriptor, "operator"}, {&kappa__v1__sink__descriptor, "transport"}};
    uint32_t arms = 0;
    for (int p = 0; p < 2; p++) {
        for (unsigned i = 0; i < places[p].message->n_fields; i++) {
            const ProtobufCFieldDescriptor *field = &places[p].message->fields[i];
            if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)) continue;
            if (!k_operator_find(field->name)) fail_msg("no operator \"%s\"", field->name);
            arms++;
        }
    }
    assert_int_equal(arms + 1, k_operator_count); // and the table, which has a message of its own
    assert_non_null(k_operator_find("table"));
    assert_null(k_operator_find("filtre"));
}

static void every_operator_is_whole(void **unused)
{
    (void)unused;
    for (uint32_t i = 0; i < k_operator_count; i++) {
        const struct k_operator *o = k_operators[i];
        if (!tested(o->name)) fail_msg("operator \"%s\" has no test", o->name);
        assert_true(o->plan && o->open && o->on_batch && o->close && o->instance_size > 0);
        size_t length = strlen(o->doc);
        assert_true(length > 10 && o->doc[length - 1] == '.');
        assert_ptr_equal(k_operator_find(o->name), o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_arm_has_its_operator),
        cmocka_unit_test(every_operator_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
