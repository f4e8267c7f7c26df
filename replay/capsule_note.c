// The note of a capsule: a line for each thing in it. Names stand last in their lines.
//
//   kappa capsule 1
//   semantics N            fingerprint HEX         shards N          graph NAME
//   topic PARTITIONS COMPACTED NAME
//   state SHARD                                     there is a checkpoint
//   partition SHARD PARTITION START END RECORDS TOPIC
//   digest ROWS HEX TABLE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "replay/capsule.h"

#define FIRST_LINE "kappa capsule 1\n"
enum { SHARDS_MAX = 1024, THINGS_MAX = 1 << 20 };

void k_capsule_init(struct k_capsule *c)
{
    *c = (struct k_capsule){0};
    k_arena_init(&c->arena);
}

void k_capsule_fini(struct k_capsule *c)
{
    free(c->topics);
    free(c->partitions);
    free(c->digests);
    free(c->has_state);
    k_arena_fini(&c->arena);
    *c = (struct k_capsule){0};
}

void k_capsule_note(const struct k_capsule *c, struct k_buf *out)
{
    k_buf_add_text(out, FIRST_LINE);
    k_buf_printf(out, "semantics %u\nfingerprint %s\nshards %u\ngraph %s\n", c->semantics, c->fingerprint, c->shards,
                 c->graph);
    for (uint32_t i = 0; i < c->topic_count; i++)
        k_buf_printf(out, "topic %d %d %s\n", c->topics[i].partitions, c->topics[i].compacted, c->topics[i].topic);
    for (uint32_t i = 0; i < c->shards; i++)
        if (c->has_state[i]) k_buf_printf(out, "state %u\n", i);
    for (uint32_t i = 0; i < c->partition_count; i++) {
        const struct k_capsule_partition *p = &c->partitions[i];
        k_buf_printf(out, "partition %u %d %" PRId64 " %" PRId64 " %" PRIu64 " %s\n", p->shard, p->at.partition,
                     p->at.start, p->at.end, p->records, p->at.topic);
    }
    for (uint32_t i = 0; i < c->digest_count; i++) {
        char hex[2 * K_DIGEST_BYTES + 1];
        k_digest_hex(&c->digests[i].digest, hex);
        k_buf_printf(out, "digest %" PRIu64 " %s %s\n", c->digests[i].digest.rows, hex, c->digests[i].table);
    }
}

static bool read_hex(const char *hex, uint8_t *out)
{
    for (int i = 0; i < K_DIGEST_BYTES; i++) {
        unsigned byte;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1) return false;
        out[i] = (uint8_t)byte;
    }
    return true;
}

// One line; at: where its values begin. False: it is none.
static bool read_line(struct k_capsule *c, const char *word, const char *line)
{
    int at = 0;
    const char *at_end = line + strlen(line);
    if (strcmp(word, "graph") == 0) return c->graph = line, *line != 0;
    if (strcmp(word, "fingerprint") == 0) return c->fingerprint = line, *line != 0;
    if (strcmp(word, "semantics") == 0) return sscanf(line, "%u", &c->semantics) == 1;
    if (strcmp(word, "shards") == 0) {
        if (c->has_state || sscanf(line, "%u", &c->shards) != 1 || !c->shards || c->shards > SHARDS_MAX) return false;
        c->has_state = k_new_array(bool, c->shards);
        return true;
    }
    if (strcmp(word, "state") == 0) {
        uint32_t shard;
        return sscanf(line, "%u", &shard) == 1 && shard < c->shards && (c->has_state[shard] = true);
    }
    if (strcmp(word, "topic") == 0) {
        int compacted;
        struct k_shelf_topic t = {0};
        if (sscanf(line, "%d %d %n", &t.partitions, &compacted, &at) != 2 || line + at == at_end) return false;
        t.compacted = compacted;
        t.topic = line + at;
        c->topics = k_realloc(c->topics, (c->topic_count + 1) * sizeof t);
        c->topics[c->topic_count++] = t;
        return c->topic_count < THINGS_MAX;
    }
    if (strcmp(word, "partition") == 0) {
        struct k_capsule_partition p = {0};
        if (sscanf(line, "%u %d %" SCNd64 " %" SCNd64 " %" SCNu64 " %n", &p.shard, &p.at.partition, &p.at.start,
                   &p.at.end, &p.records, &at) != 5 || line + at == at_end || p.shard >= c->shards) return false;
        p.at.topic = line + at;
        c->partitions = k_realloc(c->partitions, (c->partition_count + 1) * sizeof p);
        c->partitions[c->partition_count++] = p;
        return c->partition_count < THINGS_MAX;
    }
    if (strcmp(word, "digest") != 0) return true; // of a later version, and not needed
    struct k_capsule_digest d = {0};
    char hex[2 * K_DIGEST_BYTES + 1];
    if (sscanf(line, "%" SCNu64 " %64s %n", &d.digest.rows, hex, &at) != 2 || line + at == at_end ||
        strlen(hex) != 2 * K_DIGEST_BYTES || !read_hex(hex, d.digest.sum)) return false;
    d.table = line + at;
    c->digests = k_realloc(c->digests, (c->digest_count + 1) * sizeof d);
    c->digests[c->digest_count++] = d;
    return c->digest_count < THINGS_MAX;
}

int k_capsule_read_note(struct k_str note, struct k_capsule *c, struct k_error *err)
{
    k_capsule_init(c);
    char *text = k_arena_copy(&c->arena, note.data, note.length);
    bool good = strncmp(text, FIRST_LINE, strlen(FIRST_LINE)) == 0;
    if (!good) k_fail(err, K_E_CORRUPT, "it is no capsule, or one of a later version");
    for (char *line = text + (good ? strlen(FIRST_LINE) : 0); good && *line;) {
        char *end = line + strcspn(line, "\n"), *next = *end ? end + 1 : end, *space = strchr(line, ' ');
        *end = 0;
        good = space && space < end;
        if (good) *space = 0;
        good = good && read_line(c, line, space + 1);
        if (!good) k_fail(err, K_E_CORRUPT, "the capsule's note has a damaged line: %.200s", line);
        line = next;
    }
    if (good && (!c->graph || !c->fingerprint || !c->shards)) {
        good = false;
        k_fail(err, K_E_CORRUPT, "the capsule's note lacks graph, fingerprint or shards");
    }
    if (good) return 0;
    k_capsule_fini(c);
    return K_E_CORRUPT;
}
