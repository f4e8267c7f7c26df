// See simdjson_judge.h.
#include "tests/proto/simdjson_judge.h"

#include <simdjson.h>

using namespace simdjson;

static dom::parser parser;
static dom::object record;

static judge_value value_of(simdjson_result<dom::element> found)
{
    judge_value value = {};
    dom::element element;
    if (found.get(element) != SUCCESS) return value;
    switch (element.type()) {
    case dom::element_type::NULL_VALUE: value.kind = JUDGE_NULL; break;
    case dom::element_type::BOOL: value.kind = JUDGE_BOOL, value.b = bool(element); break;
    case dom::element_type::INT64: value.kind = JUDGE_INT, value.i = int64_t(element); break;
    case dom::element_type::UINT64: value.kind = JUDGE_UINT, value.i = int64_t(uint64_t(element)); break;
    case dom::element_type::DOUBLE: value.kind = JUDGE_DOUBLE, value.d = double(element); break;
    case dom::element_type::STRING: {
        std::string_view text(element);
        value.kind = JUDGE_STRING, value.text = text.data(), value.length = text.size();
        break;
    }
    default: value.kind = JUDGE_OTHER;
    }
    if (value.kind == JUDGE_INT) value.d = double(value.i);
    if (value.kind == JUDGE_UINT) value.d = double(uint64_t(value.i));
    return value;
}

extern "C" enum judge_verdict judge_read(const char *text, size_t length)
{
    dom::element root;
    error_code code = parser.parse(text, length).get(root);
    if (code == NUMBER_ERROR) return JUDGE_NUMBER;
    if (code != SUCCESS) return JUDGE_NOT_JSON;
    return root.get_object().get(record) == SUCCESS ? JUDGE_OBJECT : JUDGE_NO_OBJECT;
}

extern "C" judge_value judge_member(const char *inside, const char *key)
{
    if (!inside) return value_of(record.at_key(key));
    dom::element element;
    judge_value value = value_of(record.at_key(inside));
    if (value.kind == JUDGE_ABSENT || value.kind == JUDGE_NULL) return judge_value{};
    dom::object object;
    if (record.at_key(inside).get(element) == SUCCESS && element.get_object().get(object) == SUCCESS)
        return value_of(object.at_key(key));
    value.kind = JUDGE_OTHER;
    return value;
}
