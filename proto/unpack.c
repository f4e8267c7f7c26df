// See unpack.h.
#include "proto/unpack.h"

#include "base/error.h"
#include "proto/csv.h"
#include "proto/wire.h"

static struct k_str take_line(struct k_str value, uint32_t *at)
{
    uint32_t begin = *at;
    const char *end = memchr(value.data + begin, '\n', value.length - begin);
    struct k_str line = {value.data + begin, end ? (uint32_t)(end - value.data) - begin : value.length - begin};
    *at = begin + line.length + (end != NULL);
    if (end && line.length && line.data[line.length - 1] == '\r') line.length--;
    return line;
}

static const char *take_length(struct k_str value, uint32_t *at, struct k_str *ret_record)
{
    const char *from = value.data + *at, *end = value.data + value.length;
    uint64_t length;
    if (!k_wire_varint(&from, end, &length) || length > (uint64_t)(end - from)) {
        *ret_record = (struct k_str){value.data + *at, value.length - *at};
        *at = value.length;
        return "from here on the message is no sequence of records, each behind its length";
    }
    *ret_record = (struct k_str){from, (uint32_t)length};
    *at = (uint32_t)(from - value.data) + (uint32_t)length;
    return NULL;
}

// Moves behind the header. Where quotes hide its end, no record could be found.
static bool pass_header(const struct k_packing *packing, struct k_str value, uint32_t *at)
{
    struct k_str header;
    *at = k_csv_begin(value);
    return !packing->header || *at == value.length || !k_csv_record(value, packing->delimiter, at, &header);
}

bool k_unpack(const struct k_packing *packing, struct k_str value, uint32_t *at, struct k_str *ret_record,
              const char **ret_why)
{
    *ret_why = NULL;
    if (packing->kind == K_PACKING_CSV && *at == 0 && value.length && !pass_header(packing, value, at)) {
        *ret_record = value;
        *ret_why = "the header of the message is malformed: a quote is not where quotes may be";
        *at = value.length;
        return true;
    }
    while (*at < value.length) {
        switch (packing->kind) {
        case K_PACKING_LINES: *ret_record = take_line(value, at); break;
        case K_PACKING_CSV:
            (void)k_csv_record(value, packing->delimiter, at, ret_record);
            break; // its reader's matter
        case K_PACKING_LENGTHS: *ret_why = take_length(value, at, ret_record); return true;
        case K_PACKING_NONE: K_ASSERT(!"the message is the record");
        }
        if (ret_record->length) return true;
    }
    return false;
}
