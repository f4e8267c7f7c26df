// Graphs: documents of one type.
#include "proto/graph.h"

#include "base/memory.h"

#include <stdlib.h>

struct k_graph {
    struct k_document *document;
};

static struct k_graph *graph_of_take(struct k_document *document)
{
    struct k_graph *graph = k_new(struct k_graph);
    graph->document = document;
    return graph;
}

int k_graph_read(
    const char *file, struct k_str content, enum k_form form, struct k_diags *diags, struct k_graph **ret_graph)
{
    struct k_document *document;
    int code = k_document_read(&kappa__v1__graph__descriptor, file, content, form, diags, &document);
    if (code == 0) *ret_graph = graph_of_take(document);
    return code;
}

int k_graph_read_draft(
    const char *file, struct k_str content, enum k_form form, struct k_diags *diags, struct k_graph **ret_graph)
{
    struct k_document *document;
    int code = k_document_read_draft(&kappa__v1__graph__descriptor, file, content, form, diags, &document);
    if (code == 0) *ret_graph = graph_of_take(document);
    return code;
}

void k_graph_destroy(struct k_graph *graph)
{
    if (!graph) return;
    k_document_destroy(graph->document);
    free(graph);
}

const Kappa__V1__Graph *k_graph_message(const struct k_graph *graph)
{
    return (const Kappa__V1__Graph *)k_document_message(graph->document);
}

struct k_document *k_graph_document(const struct k_graph *graph) { return graph->document; }

struct k_pos k_graph_pos(const struct k_graph *graph, const void *message, const char *field, int index)
{
    return k_document_pos(graph->document, message, field, index);
}

struct k_pos k_graph_pos_in(
    const struct k_graph *graph, const void *message, const char *field, int index, size_t offset)
{
    return k_document_pos_in(graph->document, message, field, index, offset);
}

bool k_graph_is_broken(const struct k_graph *graph, const void *message)
{
    return k_document_is_broken(graph->document, message);
}
