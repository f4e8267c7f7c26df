// Client properties of people: which of librdkafka's may be set, and from where.
//
// Invariants: nothing reaches librdkafka that the table below does not allow, because some properties run commands or
// load code (sasl.kerberos.kinit.cmd ran a shell when tried) and others would break what the engine promises
// (isolation.level, acks). Values of secrets never reach a text: not an error, not a trace.
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/memory.h"
#include "base/trace.h"
#include "engine/log_kafka.h"

extern char **environ;

enum kind { PLAIN, SECRET, REFUSED };
struct rule {
    const char *name;
    enum kind kind;
    const char *text; // what it is, or why it is refused
};

// A secret "x" may also be given as "x.file": the path of a file that holds it.
static const struct rule rules[] = {
    {"bootstrap.servers", PLAIN, "host:port of brokers, with commas; --brokers wins over it"},
    {"security.protocol", PLAIN, "plaintext, ssl, sasl_plaintext or sasl_ssl"},
    {"sasl.mechanism", PLAIN, "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, GSSAPI or OAUTHBEARER"},
    {"sasl.username", PLAIN, "user of PLAIN and SCRAM"},
    {"sasl.password", SECRET, "password of PLAIN and SCRAM"},
    {"sasl.kerberos.service.name", PLAIN, "Kerberos name that the brokers run as"},
    {"sasl.kerberos.principal", PLAIN, "Kerberos principal of this client"},
    {"sasl.oauthbearer.config", SECRET, "what the token handler reads, in its own form"},
    {"enable.sasl.oauthbearer.unsecure.jwt", PLAIN, "true: tokens without a signature, for tests only"},
    {"ssl.ca.location", PLAIN, "file or folder of the authorities (PEM) that brokers are checked against"},
    {"ssl.ca.pem", PLAIN, "the same as text"},
    {"ssl.certificate.location", PLAIN, "file with this client's certificate (PEM)"},
    {"ssl.certificate.pem", PLAIN, "the same as text"},
    {"ssl.key.location", PLAIN, "file with this client's private key (PEM)"},
    {"ssl.key.pem", SECRET, "the same as text"},
    {"ssl.key.password", SECRET, "what the private key is encrypted with"},
    {"ssl.keystore.location", PLAIN, "file with certificate and key together (PKCS#12)"},
    {"ssl.keystore.password", SECRET, "what that file is encrypted with"},
    {"ssl.crl.location", PLAIN, "file with revoked certificates"},
    {"ssl.cipher.suites", PLAIN, "ciphers that may be used, as OpenSSL writes them"},
    {"ssl.curves.list", PLAIN, "curves that may be used"},
    {"ssl.sigalgs.list", PLAIN, "signature algorithms that may be used"},
    {"ssl.endpoint.identification.algorithm", PLAIN, "https (check the broker's name) or none"},
    {"enable.ssl.certificate.verification", PLAIN, "false: do not check the broker's certificate"},
    {"client.rack", PLAIN, "where this client stands, to read from replicas near it"},
    {"broker.address.family", PLAIN, "any, v4 or v6"},
    {"broker.address.ttl", PLAIN, "ms for which a resolved address is kept"},
    {"socket.timeout.ms", PLAIN, "how long one request may take"},
    {"socket.connection.setup.timeout.ms", PLAIN, "how long a connection may take to come up"},
    {"socket.keepalive.enable", PLAIN, "true: TCP keep-alives"},
    {"socket.nagle.disable", PLAIN, "true: send small packets at once"},
    {"socket.send.buffer.bytes", PLAIN, "the socket's send buffer"},
    {"socket.receive.buffer.bytes", PLAIN, "the socket's receive buffer"},
    {"connections.max.idle.ms", PLAIN, "close connections that were idle for so long"},
    {"reconnect.backoff.ms", PLAIN, "first pause before connecting again"},
    {"reconnect.backoff.max.ms", PLAIN, "longest pause before connecting again"},
    {"topic.metadata.refresh.interval.ms", PLAIN, "how often leaders of partitions are asked for unprompted"},
    {"compression.type", PLAIN, "of what is written: none (the default), lz4, zstd, snappy or gzip"},
    {"metadata.max.age.ms", PLAIN, "how long what is known of topics may be used"},

    {"sasl.kerberos.kinit.cmd", REFUSED, "it runs a shell command; keep the ticket fresh outside (kinit, k5start)"},
    {"sasl.kerberos.keytab", REFUSED, "it is only used by sasl.kerberos.kinit.cmd, which is refused"},
    {"sasl.oauthbearer.token.endpoint.url", REFUSED, "it makes the client call an address; pass a token instead"},
    {"plugin.library.paths", REFUSED, "it loads code into the process"},
    {"ssl.engine.location", REFUSED, "it loads code into the process"},
    {"ssl.engine.id", REFUSED, "it loads code into the process"},
    {"ssl.providers", REFUSED, "it loads code into the process"},
    {"sasl.jaas.config", REFUSED, "it is Java's; use sasl.mechanism, sasl.username and sasl.password"},
    {"sasl.login.callback.handler.class", REFUSED, "it is a Java class"},
    {"ssl.truststore.location", REFUSED, "it is Java's; use ssl.ca.location with a PEM file"},
    {"ssl.truststore.password", REFUSED, "it is Java's; use ssl.ca.location with a PEM file"},
    {"ssl.truststore.type", REFUSED, "it is Java's; use ssl.ca.location with a PEM file"},
    {"ssl.keystore.type", REFUSED, "it is Java's; ssl.keystore.location is always PKCS#12 here"},
    {"isolation.level", REFUSED, "the engine reads committed records only"},
    {"auto.offset.reset", REFUSED, "the engine never skips records; say where to start with --from"},
    {"enable.auto.commit", REFUSED, "the engine commits offsets in its transactions"},
    {"enable.idempotence", REFUSED, "the engine always writes in transactions"},
    {"acks", REFUSED, "the engine always waits for all replicas"},
    {"transactional.id", REFUSED, "it is made of the graph's name and the shard"},
    {"group.id", REFUSED, "it is made of the graph's name and the shard"},
    {"client.id", REFUSED, "it says which worker leads, and since when"},
};
enum { RULES = sizeof rules / sizeof rules[0] };

// Other spellings of the same property.
static const char *const aliases[][2] = {
    {"sasl.mechanisms", "sasl.mechanism"},
    {"metadata.broker.list", "bootstrap.servers"},
};

static const struct rule *rule_of(const char *name)
{
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
        if (strcmp(aliases[i][0], name) == 0) name = aliases[i][1];
    for (size_t i = 0; i < RULES; i++)
        if (strcmp(rules[i].name, name) == 0) return &rules[i];
    return NULL;
}

static int unknown(const char *where, const char *name, struct k_error *err)
{
    const char *allowed[RULES];
    size_t count = 0;
    for (size_t i = 0; i < RULES; i++)
        if (rules[i].kind != REFUSED) allowed[count++] = rules[i].name;
    const char *near = k_nearest(name, allowed, count);
    if (near != NULL)
        return k_fail(err, K_E_CONFIG, "%s: \"%s\" is not a client property that may be set; did you mean \"%s\"?",
                      where, name, near);
    return k_fail(err, K_E_CONFIG, "%s: \"%s\" is not a client property that may be set; those of connection and "
                  "security may (security.protocol, sasl.*, ssl.*, socket.*, client.rack)", where, name);
}

// The content of a small file, without the newline at its end.
static int read_secret(const char *where, const char *path, char **ret, struct k_error *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return k_fail(err, errno == ENOENT ? K_E_NOT_FOUND : K_E_IO, "%s: file %s: %s", where, path, strerror(errno));
    char text[16384];
    size_t length = fread(text, 1, sizeof text, file);
    bool whole = feof(file) && !ferror(file);
    fclose(file);
    if (whole) {
        while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r')) length--;
        *ret = k_strndup(text, length);
    }
    explicit_bzero(text, sizeof text);
    return whole ? 0 : k_fail(err, K_E_CONFIG, "%s: file %s is no secret: it has more than 16 kB, or cannot be read",
                              where, path);
}

// Tries the value on librdkafka now, so that a wrong one is named with its place.
static int check(const char *where, const struct rule *rule, const char *value, struct k_error *err)
{
    char text[256];
    size_t length = strlen(rule->name);
    // librdkafka would say of a file that is not there: "system lib".
    if (length > 9 && strcmp(rule->name + length - 9, ".location") == 0 && access(value, R_OK) != 0)
        return k_fail(err, K_E_CONFIG, "%s: %s=%s: %s", where, rule->name, value, strerror(errno));
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, rule->name, value, text, sizeof text);
    rd_kafka_conf_destroy(conf);
    if (result == RD_KAFKA_CONF_OK) return 0;
    if (rule->kind == SECRET)
        return k_fail(err, K_E_CONFIG, "%s: the value of %s is not valid (%s)", where, rule->name, rule->text);
    return k_fail(err, K_E_CONFIG, "%s: %s=%s: %s; it is: %s", where, rule->name, value, text, rule->text);
}

static void put(struct k_kafka_properties *all, const struct rule *rule, char *value_take)
{
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->items[i].name, rule->name) != 0) continue;
        explicit_bzero(all->items[i].value, strlen(all->items[i].value));
        free(all->items[i].value);
        all->items[i].value = value_take;
        return;
    }
    all->items = k_realloc(all->items, (all->count + 1) * sizeof *all->items);
    all->items[all->count++] =
        (struct k_kafka_property){k_strdup(rule->name), value_take, rule->kind == SECRET};
}

// where: "file.properties:3" or the variable's name, for texts.
static int add(struct k_kafka_properties *all, const char *where, const char *name, const char *value,
               struct k_error *err)
{
    const struct rule *rule = rule_of(name);
    size_t length = strlen(name);
    bool from_file = false;
    if (rule == NULL && length > 5 && strcmp(name + length - 5, ".file") == 0) {
        char *bare = k_strndup(name, length - 5);
        rule = rule_of(bare);
        free(bare);
        from_file = rule != NULL && rule->kind == SECRET;
        if (!from_file) rule = NULL;
    }
    if (rule == NULL) return unknown(where, name, err);
    if (rule->kind == REFUSED)
        return k_fail(err, K_E_CONFIG, "%s: \"%s\" is refused: %s", where, name, rule->text);
    // Java writes "no check of the name" as an empty value.
    if (value[0] == '\0' && strcmp(rule->name, "ssl.endpoint.identification.algorithm") == 0) value = "none";

    char *copy = NULL;
    if (from_file) {
        int code = read_secret(where, value, &copy, err);
        if (code != 0) return code;
    } else {
        copy = k_strdup(value);
    }
    int code = check(where, rule, copy, err);
    if (code == 0) {
        put(all, rule, copy);
    } else {
        explicit_bzero(copy, strlen(copy));
        free(copy);
    }
    return code;
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1])) text[--length] = '\0';
    return text;
}

static int add_line(struct k_kafka_properties *all, const char *where, char *line, struct k_error *err)
{
    line = trim(line);
    if (line[0] == '\0' || line[0] == '#' || line[0] == '!') return 0;
    char *equals = strchr(line, '=');
    if (equals == NULL)
        return k_fail(err, K_E_CONFIG, "%s: this is not name=value", where); // the line may hold a secret
    size_t length = strlen(line);
    if (line[length - 1] == '\\')
        return k_fail(err, K_E_CONFIG, "%s: a line cannot be continued with \"\\\"; write it in one", where);
    *equals = '\0';
    const char *name = trim(line), *value = trim(equals + 1);
    const struct rule *rule = rule_of(name);
    if (rule != NULL && k_kafka_properties_get(all, rule->name) != NULL)
        return k_fail(err, K_E_CONFIG, "%s: \"%s\" stands twice in this file", where, name);
    return add(all, where, name, value, err);
}

static int add_file(struct k_kafka_properties *all, const char *path, struct k_error *err)
{
    FILE *file = fopen(path, "re");
    struct stat status;
    if (file == NULL || fstat(fileno(file), &status) != 0) {
        int code = k_fail(err, errno == ENOENT ? K_E_NOT_FOUND : errno == EACCES ? K_E_DENIED : K_E_IO,
                          "client properties %s: %s", path, strerror(errno));
        if (file != NULL) fclose(file);
        return code;
    }
    char *line = NULL;
    size_t capacity = 0;
    int code = 0;
    bool secrets = false;
    errno = 0;
    for (int number = 1; code == 0 && getline(&line, &capacity, file) >= 0; number++) {
        char where[512];
        snprintf(where, sizeof where, "%s:%d", path, number);
        code = add_line(all, where, line, err);
    }
    if (code == 0 && ferror(file)) code = k_fail(err, K_E_IO, "client properties %s: %s", path, strerror(errno));
    if (line != NULL) explicit_bzero(line, capacity);
    free(line);
    fclose(file);
    for (size_t i = 0; i < all->count; i++) secrets |= all->items[i].secret;
    if (code == 0 && secrets && (status.st_mode & S_IROTH) != 0)
        k_trace(K_TRACE_WARN, "kafka", "everybody on this machine can read the secrets in %s; chmod 600 it", path);
    return code;
}

// KAPPA_KAFKA_SASL_PASSWORD is sasl.password. KAPPA_KAFKA_CONFIG is a flag's own variable, the file's path.
static int add_environment(struct k_kafka_properties *all, struct k_error *err)
{
    static const char prefix[] = "KAPPA_KAFKA_";
    for (char **entry = environ; *entry != NULL; entry++) {
        if (strncmp(*entry, prefix, sizeof prefix - 1) != 0) continue;
        const char *equals = strchr(*entry, '=');
        if (equals == NULL) continue;
        char *variable = k_strndup(*entry, (size_t)(equals - *entry));
        char *name = k_strdup(variable + sizeof prefix - 1);
        for (char *c = name; *c != '\0'; c++) *c = *c == '_' ? '.' : (char)tolower((unsigned char)*c);
        int code = strcmp(name, "config") == 0 ? 0 : add(all, variable, name, equals + 1, err);
        free(name);
        free(variable);
        if (code != 0) return code;
    }
    return 0;
}

int k_kafka_properties_load(const char *file, struct k_kafka_properties *ret, struct k_error *err)
{
    struct k_kafka_properties all = {0};
    int code = file != NULL ? add_file(&all, file, err) : 0;
    if (code == 0) code = add_environment(&all, err);
    if (code == 0)
        *ret = all;
    else
        k_kafka_properties_fini(&all);
    return code;
}

void k_kafka_properties_fini(struct k_kafka_properties *properties)
{
    for (size_t i = 0; i < properties->count; i++) {
        explicit_bzero(properties->items[i].value, strlen(properties->items[i].value));
        free(properties->items[i].name);
        free(properties->items[i].value);
    }
    free(properties->items);
    *properties = (struct k_kafka_properties){0};
}

const char *k_kafka_properties_get(const struct k_kafka_properties *properties, const char *name)
{
    for (size_t i = 0; i < properties->count; i++)
        if (strcmp(properties->items[i].name, name) == 0) return properties->items[i].value;
    return NULL;
}
