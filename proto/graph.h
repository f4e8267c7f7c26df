// A graph as it was written: the message kappa.v1.Graph, and where each part of it stands in its file.
// Whether the graph makes sense is decided elsewhere; here it is only read.
#pragma once
#include "proto/document.h"
#include "proto/kappa.pb-c.h"

struct k_graph;

// Reads a graph; see k_document_read for diags, the life of file, and the errors.
K_CHECKED int k_graph_read(const char *file, struct k_str content, enum k_form form, struct k_diags *diags,
    struct k_graph **ret_graph);
// Also hands over what was right in a graph that is wrong elsewhere; see k_document_read_draft.
K_CHECKED int k_graph_read_draft(const char *file, struct k_str content, enum k_form form,
    struct k_diags *diags, struct k_graph **ret_graph);
void k_graph_destroy(struct k_graph *graph); // NULL-safe

// The message. It belongs to the graph; never free it by protobuf-c's functions.
const Kappa__V1__Graph *k_graph_message(const struct k_graph *graph);
// The same as a document, for proto/print.h and proto/params.h.
struct k_document *k_graph_document(const struct k_graph *graph);

// Positions; see k_document_pos. message is the graph's message or any inside it.
//   k_graph_pos(graph, node, NULL, -1)                  the word "node"
//   k_graph_pos(graph, node, "input", -1)               the word "input"
//   k_graph_pos(graph, node, "input", 1)                the second input's value
//   k_graph_pos_in(graph, node->filter, "where", 0, 7)  byte 7 of the condition
struct k_pos k_graph_pos(const struct k_graph *graph, const void *message, const char *field, int index);
struct k_pos k_graph_pos_in(
    const struct k_graph *graph, const void *message, const char *field, int index, size_t offset);
// Whether something in this very message was written but could not be read (only in a draft).
bool k_graph_is_broken(const struct k_graph *graph, const void *message);
