// Comma-separated values, and messages of several records: by one automaton that knows whether it is inside quotes.
#include "tests/reference/decode.h"

enum state { FIELD_BEGIN, BARE, QUOTED, QUOTE_IN_QUOTED, BEHIND_QUOTES };

// What a character does. Returns the state behind it; *ends: it ended the field ('f') or the record ('r').
static enum state step(enum state state, char c, char delimiter, char *ends, bool *wrong)
{
    *ends = 0;
    if (state == QUOTED) return c == '"' ? QUOTE_IN_QUOTED : QUOTED;
    if (state == QUOTE_IN_QUOTED && c == '"') return QUOTED;
    if (c == delimiter || c == '\n') {
        *ends = c == '\n' ? 'r' : 'f';
        return FIELD_BEGIN;
    }
    if (state == FIELD_BEGIN && c == '"') return QUOTED;
    // Behind its closing quote nothing may stand (but a CR, if it ends the line), and a bare field holds none.
    if (state == BEHIND_QUOTES || (state == QUOTE_IN_QUOTED && c != '\r') || c == '"') *wrong = true;
    return state == BEHIND_QUOTES || state == QUOTE_IN_QUOTED ? BEHIND_QUOTES : BARE;
}

bool cut_record(const Kappa__V1__Source__Format__Packed *packed, struct k_str value, uint32_t *at,
                struct k_str *ret_record)
{
    bool csv = packed->kind_case == KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_CSV;
    char delimiter = csv && packed->csv->delimiter ? packed->csv->delimiter[0] : ',';
    while (*at < value.length) {
        uint32_t begin = *at;
        enum state state = FIELD_BEGIN;
        char ends = 0;
        bool wrong = false;
        while (*at < value.length && ends != 'r') {
            char c = value.data[(*at)++];
            if (csv) state = step(state, c, delimiter, &ends, &wrong);
            else if (c == '\n') ends = 'r';
        }
        uint32_t end = ends == 'r' ? *at - 1 : *at;
        if (ends == 'r' && end > begin && value.data[end - 1] == '\r') end--;
        *ret_record = (struct k_str){value.data + begin, end - begin};
        if (end > begin) return true;
    }
    return false;
}

struct field {
    uint32_t begin, end;
    bool quoted;
};

// The text of a field, its quotes undone.
static struct k_str field_text(struct k_str text, const struct field *field, struct k_arena *arena)
{
    char *to = k_arena_get(arena, field->end - field->begin + 1), *end = to;
    uint32_t from = field->begin + field->quoted, until = field->end - field->quoted;
    for (uint32_t i = from; i < until; i++) {
        *end++ = text.data[i];
        if (field->quoted && text.data[i] == '"') i++;
    }
    return (struct k_str){to, (uint32_t)(end - to)};
}

const char *decode_csv(struct decoder *decoder, struct k_str text, bool lenient, struct k_arena *arena,
                       struct value *columns)
{
    const Kappa__V1__Source__Format__Csv *csv = decoder->options.format->csv;
    char delimiter = csv->delimiter ? csv->delimiter[0] : ',', ends = 0;
    struct field *fields = k_arena_array(arena, struct field, text.length + 1);
    uint32_t count = 0, at = 0, begin = 0;
    enum state state = FIELD_BEGIN;
    bool wrong = false;
    while (ends != 'r') {
        bool quoted = begin < text.length && text.data[begin] == '"';
        if (at == text.length) {
            if (state == QUOTED) wrong = true;
            ends = 'r';
            fields[count++] = (struct field){begin, at, quoted};
            break;
        }
        state = step(state, text.data[at++], delimiter, &ends, &wrong);
        if (!ends) continue;
        uint32_t end = at - 1;
        if (ends == 'r' && end > begin && text.data[end - 1] == '\r') end--;
        fields[count++] = (struct field){begin, end, quoted};
        begin = at;
    }
    // A CR is part of a line's end or of a bare field; behind a closing quote it must be the former.
    for (uint32_t i = 0; i < count; i++)
        if (fields[i].quoted && (fields[i].end - fields[i].begin < 2 || text.data[fields[i].end - 1] != '"'))
            wrong = true;
    if (wrong || at < text.length) return "csv";
    if (count != decoder->options.count) return "columns";
    for (uint32_t i = 0; i < count; i++) {
        const struct column *column = &decoder->options.columns[i];
        columns[i] = value_null(column->type);
        if (!decoder->options.read[i]) continue;
        const char *why = NULL;
        if (fields[i].end == fields[i].begin) why = column->not_null ? "missing" : NULL;
        else why = text_to_column(field_text(text, &fields[i], arena), column->type, &columns[i]);
        if (why && lenient && !column->not_null) columns[i] = value_null(column->type);
        else if (why) return why;
    }
    return NULL;
}
