// convert graph|every text|json|binary FILE: reads FILE (its form by its name) and prints the message in
// that form. Diagnostics go to stderr; the exit status is 78 when there are any. For the scripts beside it.
#include "proto/graph.h"
#include "proto/print.h"
#include "tests/proto/every.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct k_buf read_file(const char *name)
{
    struct k_buf content = {0};
    FILE *file = fopen(name, "rb");
    if (!file) {
        perror(name);
        exit(66);
    }
    char block[4096];
    for (size_t got; (got = fread(block, 1, sizeof(block), file)) > 0;) k_buf_add(&content, block, got);
    fclose(file);
    return content;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: convert graph|every text|json|binary FILE\n");
        return 64;
    }
    const ProtobufCMessageDescriptor *type =
        strcmp(argv[1], "graph") == 0 ? &kappa__v1__graph__descriptor : &kappa__test__every__descriptor;
    enum k_form form = strcmp(argv[2], "text") == 0 ? K_FORM_TEXT
        : strcmp(argv[2], "json") == 0              ? K_FORM_JSON
                                                    : K_FORM_BINARY;
    struct k_buf content = read_file(argv[3]), out = {0};
    struct k_diags diags = {0};
    struct k_document *document = NULL;
    int code = k_document_read(type, argv[3], k_buf_str(&content), K_FORM_AUTO, &diags, &document);
    if (code == 0) k_print(document, form, &out);
    else k_diags_print(&diags, &out);
    fwrite(k_buf_str(&out).data, 1, out.length, code == 0 ? stdout : stderr);
    k_document_destroy(document);
    k_diags_fini(&diags);
    k_buf_fini(&content);
    k_buf_fini(&out);
    return k_error_status(code);
}
