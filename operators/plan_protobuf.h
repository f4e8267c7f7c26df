// Message types that a graph names: for sources that read them and sinks that write them.
#pragma once
#include "operators/common.h"
#include "proto/descriptor.h"

// The message type of the full name in the descriptor set of the file; both lie in the plan's arena. protobuf: the part
// of the graph that has the fields descriptor_set and message; kind and name: whose it is, "source" "clicks". NULL
// after a report.
const struct k_pb_message *k_plan_protobuf(struct k_planner *planner, const void *protobuf, const char *kind,
                                           const char *name, const char *descriptor_set, const char *message);
