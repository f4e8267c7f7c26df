// What presence.c, which reads, and presence_say.c, which writes, share.
#pragma once
#include "replay/presence.h"

// The name of a pipeline's topic, into out.
void presence_topic(const char *graph, char *out, size_t size);
