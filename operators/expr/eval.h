// The inside of evaluation, shared by eval.c and eval_forms.c.
#pragma once
#include "operators/expr/ast.h"
#include "operators/expr/program.h"

enum { K_EVAL_SLOTS = K_EXPR_DEPTH_MAX }; // LETs nest at most as deep as the tree

// What a call that stands several times came to.
struct k_kept {
    struct k_vec vec;
    struct k_rows rows;  // for which; count 0: none yet
    uint8_t *done;       // 1 for each of the rows; made when they are not dense and others are asked for
};

struct k_eval {
    const struct k_batch *batch;
    struct k_arena *arena;
    size_t size; // rows of every vector: those of the batch, at least 1
    const struct k_expr_error **failed; // per row; NULL before the first failure
    uint32_t failures;
    struct k_vec slots[K_EVAL_SLOTS];
    struct k_kept kept[K_EXPR_SHARED];
};

struct k_vec k_eval_node(struct k_eval *eval, const struct k_expr *node, struct k_rows rows);
struct k_vec k_eval_logic(struct k_eval *eval, const struct k_expr *node, struct k_rows rows);
struct k_vec k_eval_case(struct k_eval *eval, const struct k_expr *node, struct k_rows rows);
struct k_vec k_eval_coalesce(struct k_eval *eval, const struct k_expr *node, struct k_rows rows);
struct k_vec k_eval_in(struct k_eval *eval, const struct k_expr *node, struct k_rows rows);
struct k_vec k_eval_distinct(struct k_eval *eval, const struct k_expr *node, struct k_rows rows);

// Room for the values of one vector.
void *k_eval_values(struct k_eval *eval, enum k_type type);
// A validity to write to, which begins as `from` for these rows (NULL: all valid).
uint8_t *k_eval_valid_copy(struct k_eval *eval, struct k_rows rows, const uint8_t *from);
// Puts the rows of a vector into a column, which gets a validity with the first vector that has one.
void k_eval_move(struct k_eval *eval, struct k_column *to, const struct k_vec *from, struct k_rows rows);
// A vector that has in each row the one of a few values whose number is in `which`.
struct k_vec k_eval_pick(struct k_eval *eval, const struct k_column *values, const uint8_t *which, struct k_rows rows);
// The same vector with a value for each of the rows, if it was a constant.
struct k_vec k_eval_flat(struct k_eval *eval, const struct k_vec *vec, struct k_rows rows);
