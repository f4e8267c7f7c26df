// Where states stand, for comparing them.
#include <stdlib.h>

#include "proto/internal.pb-c.h"
#include "replay/parity.h"

typedef Kappa__Internal__Position Position;
typedef Kappa__Internal__Position__Partition Partition;

// The positions of a view's shards.
struct standing {
    Position **positions; // NULL: that shard has none
    const struct k_shard_view *shards;
    uint32_t count, total;
};

static void standing_fini(struct standing *s)
{
    for (uint32_t i = 0; s->positions && i < s->count; i++)
        if (s->positions[i]) kappa__internal__position__free_unpacked(s->positions[i], NULL);
    free(s->positions);
}

static int standing_of(struct k_view *view, struct standing *ret, struct k_error *err)
{
    struct k_arena arena;
    k_arena_init(&arena);
    *ret = (struct standing){0};
    ret->shards = k_view_shards(view, &ret->count, &ret->total);
    ret->positions = k_new_array(Position *, ret->count + 1);
    int code = 0;
    for (uint32_t i = 0; !code && i < ret->count; i++) {
        struct k_str bytes;
        code = k_view_meta(view, i, "position", &arena, &bytes, err);
        if (code || !bytes.data) continue;
        ret->positions[i] = kappa__internal__position__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
        if (!ret->positions[i])
            code = k_fail(err, K_E_CORRUPT, "\"%s\": its position is damaged", k_view_directory(view, i));
    }
    k_arena_fini(&arena);
    return code;
}

int k_parity_position(struct k_view *view, struct k_buf *out, struct k_error *err)
{
    struct standing s;
    int code = standing_of(view, &s, err);
    k_buf_add_text(out, "");
    for (uint32_t i = 0; !code && i < s.count; i++) {
        const Position *p = s.positions[i];
        k_buf_printf(out, "%sshard %u of %u", i ? "; " : "", s.shards[i].shard, s.total);
        if (!p) {
            k_buf_add_text(out, " without a position");
            continue;
        }
        k_buf_printf(out, " at journal %lld", (long long)p->journal_offset);
        for (size_t n = 0; n < p->n_partition; n++)
            k_buf_printf(out, "%s%s/%u:%lld", n ? ", " : " (", p->partition[n]->source ? p->partition[n]->source : "",
                         p->partition[n]->partition, (long long)p->partition[n]->next);
        if (p->n_partition) k_buf_add_char(out, ')');
    }
    standing_fini(&s);
    return code;
}

// At the same place of the same journals: the running hash says whose journal it is.
static bool same_journals(const struct standing *a, const struct standing *b)
{
    if (a->count != b->count || a->total != b->total) return false;
    for (uint32_t i = 0; i < a->count; i++) {
        const Position *x = a->positions[i], *y = b->positions[i];
        if (!x || !y || !x->has_chain || !y->has_chain) return false;
        if (a->shards[i].shard != b->shards[i].shard) return false;
        if (x->journal_offset != y->journal_offset || x->sequence != y->sequence || x->chain != y->chain) return false;
    }
    return true;
}

// The next offset of a source's partition; -1: nobody here has it.
static int64_t next_of(const struct standing *s, const Partition *wanted)
{
    for (uint32_t i = 0; i < s->count; i++)
        for (size_t n = 0; s->positions[i] && n < s->positions[i]->n_partition; n++) {
            const Partition *p = s->positions[i]->partition[n];
            if (p->partition == wanted->partition && p->source && wanted->source &&
                strcmp(p->source, wanted->source) == 0) return p->next;
        }
    return -1;
}

// Every partition of a stands at the same offset in b.
static bool covers(const struct standing *a, const struct standing *b)
{
    bool any = false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (!a->positions[i]) return false;
        for (size_t n = 0; n < a->positions[i]->n_partition; n++) {
            const Partition *p = a->positions[i]->partition[n];
            any = true;
            if (next_of(b, p) != p->next) return false;
        }
    }
    return any;
}

int k_parity_same_position(struct k_view *a, struct k_view *b, bool *ret_same, bool *ret_journals,
                           struct k_error *err)
{
    struct standing left = {0}, right = {0};
    int code = standing_of(a, &left, err);
    if (!code) code = standing_of(b, &right, err);
    if (!code) {
        *ret_journals = same_journals(&left, &right);
        *ret_same = *ret_journals || (covers(&left, &right) && covers(&right, &left));
    }
    standing_fini(&left);
    standing_fini(&right);
    return code;
}
