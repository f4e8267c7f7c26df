// Looking up comments; the table is made by help.py.
#include "proto/help.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *name, const void *help) { return strcmp(name, ((const struct k_help *)help)->name); }

const char *k_help_of(const char *name)
{
    const struct k_help *help = bsearch(name, k_help_table, k_help_count, sizeof(k_help_table[0]), compare);
    return help ? help->text : NULL;
}

static const char *help_of_member(const char *type, const char *member)
{
    char *name = k_format("%s.%s", type, member);
    const char *text = k_help_of(name);
    free(name);
    return text;
}

const char *k_help_of_field(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field)
{
    return help_of_member(type->name, field->name);
}

const char *k_help_of_choice(const ProtobufCEnumDescriptor *type, const ProtobufCEnumValue *choice)
{
    return help_of_member(type->name, choice->name);
}
