// Every code that a diagnostic about a graph may carry, in one table. A code is never reused: people
// search for it. K01xx reading and parameters, K02xx names and structure, K03xx types and expressions,
// K04xx operators.
#pragma once

// code, what it means
#define K_CODES(X)                                                                                       \
    X(K0101, "The file does not follow the syntax of its form (text or JSON).")                          \
    X(K0102, "A message has no field or operator of this name.")                                         \
    X(K0103, "A field that takes one value is given more than once.")                                    \
    X(K0104, "Of several alternatives, such as the operators of a node, more than one is given.")        \
    X(K0105, "A value has another type than its field.")                                                 \
    X(K0106, "A number lies outside the range of its field.")                                            \
    X(K0107, "A name or number is none of the field's choices.")                                         \
    X(K0108, "A string is not UTF-8, or holds a NUL character.")                                         \
    X(K0109, "Messages are nested more than 100 levels deep.")                                           \
    X(K0110, "The file is not a binary message of the expected type.")                                   \
    X(K0111, "A binary message holds a field or choice that this version of kappa does not know.")       \
    X(K0120, "A parameter reference is not of the form ${NAME}, ${NAME:-default} or ${NAME:?message}.")  \
    X(K0121, "A parameter reference names no param of the graph.")                                       \
    X(K0122, "A parameter has neither a value nor a default.")                                           \
    X(K0123, "A value is given for a parameter that the graph does not declare, or is not NAME=value.")  \
    X(K0124, "A param has no usable name, or is declared twice.")                              \
    X(K0201, "A name is missing or has characters that names may not have.")                             \
    X(K0202, "Two things have the same name.")                                                           \
    X(K0203, "An input names nothing that exists, or something that gives no rows.")                     \
    X(K0204, "The inputs form a cycle.")                                                                 \
    X(K0205, "Nobody reads a source or node.")                                                           \
    X(K0206, "A node, table or sink has the wrong number of inputs.")                                    \
    X(K0207, "A node has no operator, or a source, sink or format no kind.")                             \
    X(K0209, "The graph cannot be spread over several shards.")                                          \
    X(K0210, "The graph has neither a table nor a sink.")                                                \
    X(K0211, "An input is ambiguous: it names a route without its case.")                                \
    X(K0212, "A policy or test block cannot be used as it is written.")                                  \
    X(K0220, "A schema has a field that cannot be read, or two of the same name.")                       \
    X(K0221, "A source names no schema, or one that does not exist.")                                    \
    X(K0300, "An expression does not follow PostgreSQL's syntax.")                                       \
    X(K0301, "A text is not one plain expression: it is empty, or has a comment, a clause of SELECT, or more.")\
    X(K0302, "An expression is too long or nested too deeply.")                                          \
    X(K0303, "There is no operator of this name.")                                                       \
    X(K0304, "A part of PostgreSQL's syntax is not supported.")                                          \
    X(K0305, "A literal cannot be read as a value of its type.")                                         \
    X(K0306, "An output needs a name, or a name stands where none is needed.")                           \
    X(K0310, "An expression names a column that its input does not have.")                               \
    X(K0311, "The name of a column needs double quotes: it is a word of SQL or has capitals.")           \
    X(K0320, "There is no function of this name.")                                                       \
    X(K0321, "A function or operator does not take arguments of these types.")                           \
    X(K0322, "A part of an expression has another type than its place asks for.")                        \
    X(K0323, "There is no type of this name, or no cast between two types.")                             \
    X(K0324, "A part of an expression fails for every row.")                                             \
    X(K0330, "An aggregate function stands outside the select of an aggregate node.")                    \
    X(K0331, "An aggregate function is used in a way that is not supported, or what only they take is used elsewhere.")\
    X(K0332, "A column is neither grouped by nor inside an aggregate function.")                         \
    X(K0333, "A node has too many aggregate calls.")                                                     \
    X(K0334, "The type of an output is not known, or cannot leave an expression.")                       \
    X(K0401, "An operator, source, table or sink lacks something that it needs.")                        \
    X(K0402, "A duration or size cannot be read, or lies outside its bounds.")                           \
    X(K0403, "An expression has another type than its place asks for.")                                  \
    X(K0404, "Two columns of a result have the same name, or a name that is reserved.")                  \
    X(K0405, "A window does not fit its input, or its lengths do not fit each other.")                   \
    X(K0406, "A column is named that the input does not have.")                                          \
    X(K0407, "Rows that are taken back cannot go where they are sent.")                                  \
    X(K0408, "A format does not fit the schema of its source.")                                          \
    X(K0409, "Options of an operator contradict each other.")                                            \
    X(K0410, "A join's condition is no comparison of its two inputs, or does not fit its table.")        \
    X(K0411, "A source with a key, which is a table, stands where a stream is needed.")                  \
    X(K0421, "A join of two streams has no bound.")                                                      \
    X(K0430, "A file that the graph names cannot be read, or lacks what the graph asks of it.")

// K0101 and so on: the codes as strings, so that a mistyped one does not compile.
#define X(code, meaning) extern const char code[];
K_CODES(X)
#undef X

// What a code means, one sentence; NULL for no such code.
const char *k_code_meaning(const char *code);
