// Digests of tables: one scan, one hash a row.
#include "replay/digest.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "base/hash.h"
#include "replay/plant.h"

#ifdef K_PLANTED
enum k_digest_plant k_digest_planted = K_DIGEST_PLANT_NONE;
#endif

void k_digest_add(struct k_digest *to, const struct k_digest *what)
{
    uint32_t carry = 0;
    for (int i = K_DIGEST_BYTES - 1; i >= 0; i--) {
        uint32_t sum = (uint32_t)to->sum[i] + what->sum[i] + carry;
        if (K_DIGEST_PLANT(exclusive_or)) sum = to->sum[i] ^ what->sum[i];
        to->sum[i] = (uint8_t)sum;
        carry = sum >> 8;
    }
    to->rows += what->rows;
}

bool k_digest_equal(const struct k_digest *a, const struct k_digest *b)
{
    return a->rows == b->rows && memcmp(a->sum, b->sum, sizeof a->sum) == 0;
}

void k_digest_hex(const struct k_digest *digest, char ret_text[2 * K_DIGEST_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < K_DIGEST_BYTES; i++) {
        ret_text[2 * i] = digits[digest->sum[i] >> 4];
        ret_text[2 * i + 1] = digits[digest->sum[i] & 15];
    }
    ret_text[2 * K_DIGEST_BYTES] = 0;
}

void k_digest_key(const struct k_table_info *table, const struct k_value *values, struct k_buf *out)
{
    for (uint32_t i = 0; i < table->key_count; i++) k_key_add_value(out, &values[table->key[i]]);
}

void k_digest_columns(const struct k_table_info *table, const struct k_value *values, struct k_buf *out)
{
    k_buf_add_varint(out, table->schema.count);
    for (uint32_t i = 0; i < table->schema.count; i++) k_row_add_value(out, &values[i]);
}

struct digesting {
    const struct k_table_info *table;
    struct k_table_digest *result;
    uint32_t capacity;
    EVP_MD *type;
    EVP_MD_CTX *context;
    struct k_buf key, columns, message;
    int code;
    struct k_error err;
};

static void begin_range(struct digesting *d, struct k_str first)
{
    struct k_table_digest *result = d->result;
    if (result->range_count == d->capacity) {
        d->capacity = d->capacity ? d->capacity * 2 : 64;
        result->ranges = k_realloc(result->ranges, d->capacity * sizeof *result->ranges);
    }
    if (first.length) first.data = k_arena_copy(&result->arena, first.data, first.length);
    result->ranges[result->range_count++] = (struct k_digest_range){.first = first};
}

static void add_field(struct k_buf *out, struct k_str bytes)
{
    k_buf_add_varint(out, bytes.length);
    k_buf_add(out, bytes.data, bytes.length);
}

// Adds the hash of the message to that of the row.
static bool add_hash(struct digesting *d, struct k_digest *row)
{
    struct k_digest hash = {0};
    if (EVP_DigestInit_ex2(d->context, d->type, NULL) &&
        EVP_DigestUpdate(d->context, d->message.data, d->message.length) &&
        EVP_DigestFinal_ex(d->context, hash.sum, NULL)) {
        k_digest_add(row, &hash);
        return true;
    }
    d->code = k_fail(&d->err, K_E_BUG, "SHA-256 of a row cannot be computed");
    return false;
}

// The planted bug by_column.
static bool add_columns(struct digesting *d, const struct k_value *values, struct k_digest *row)
{
    bool good = true;
    for (uint32_t i = 0; i < d->table->schema.count && good; i++) {
        k_buf_clear(&d->message);
        k_row_add_value(&d->message, &values[i]);
        good = add_hash(d, row);
    }
    return good;
}

static bool visit(void *context, const struct k_value *values, const struct k_shard_view *shard)
{
    (void)shard;
    struct digesting *d = context;
    k_buf_clear(&d->key);
    k_buf_clear(&d->columns);
    k_buf_clear(&d->message);
    k_digest_key(d->table, values, &d->key);
    k_digest_columns(d->table, values, &d->columns);
    add_field(&d->message, k_str_of(d->table->name));
    add_field(&d->message, k_buf_str(&d->key));
    add_field(&d->message, k_buf_str(&d->columns));
    struct k_digest row = {.rows = 1};
    if (!(K_DIGEST_PLANT(by_column) ? add_columns(d, values, &row) : add_hash(d, &row))) return false;
    if (k_crc32(k_buf_str(&d->key)) % K_DIGEST_SPAN == 0) begin_range(d, k_buf_str(&d->key));
    k_digest_add(&d->result->ranges[d->result->range_count - 1].digest, &row);
    return true;
}

int k_table_digest(struct k_view *view, const struct k_table_info *table, struct k_table_digest *ret,
                   struct k_error *err)
{
    *ret = (struct k_table_digest){0};
    k_arena_init(&ret->arena);
    struct digesting d = {.table = table, .result = ret};
    d.type = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    d.context = EVP_MD_CTX_new();
    if (!d.type || !d.context) d.code = k_fail(&d.err, K_E_CONFIG, "libcrypto offers no SHA-256 here");
    const struct k_scan everything = {0};
    begin_range(&d, (struct k_str){0});
    int code = d.code ? 0 : k_view_scan(view, table, &everything, visit, &d, err);
    if (!code && d.code) {
        code = d.code;
        if (err) *err = d.err;
    }
    for (uint32_t i = 0; i < ret->range_count; i++) k_digest_add(&ret->all, &ret->ranges[i].digest);
    EVP_MD_CTX_free(d.context);
    EVP_MD_free(d.type);
    k_buf_fini(&d.key);
    k_buf_fini(&d.columns);
    k_buf_fini(&d.message);
    if (code) k_table_digest_fini(ret);
    return code;
}

void k_table_digest_fini(struct k_table_digest *digest)
{
    free(digest->ranges);
    k_arena_fini(&digest->arena);
    *digest = (struct k_table_digest){0};
}
