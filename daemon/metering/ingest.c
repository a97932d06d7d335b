#include "daemon/metering/ingest.h"

#include <stdio.h>
#include <string.h>

#include "proto/json.h"
#include "proto/problem.h"

/* A name as part of a JSON pointer (RFC 6901). */
static const char *escaped(struct request *request, const char *name)
{
    char *text = arena_allocate(request_arena(request), 2 * strlen(name) + 1, 1);
    char *to = text;

    for (; *name != '\0'; name++) {
        *to++ = *name == '/' ? '~' : *name;
        if (*name == '/' || *name == '~')
            *to++ = *name == '/' ? '1' : '0';
    }
    return text;
}

const char *ingest_data_attribute(struct request *request, const char *property)
{
    return arena_format(request_arena(request), "data/%s", escaped(request, property));
}

struct verdict ingest_verdict(struct request *request, enum verdict_state state, size_t place,
                              const char *code, const char *attribute)
{
    const struct ingest *ingest = request_state(request);
    const struct problem_kind *problem = problem_find(code);
    char pointer[SCHEMA_POINTER_SIZE];

    cloudevents_pointer(ingest->form, ingest->batch.events[place].index, attribute, pointer);
    return (struct verdict){.state = state,
                            .reason = problem->code,
                            .detail = problem->detail[request_language(request)],
                            .pointer = arena_text(request_arena(request), pointer)};
}

void ingest_reject(struct request *request, size_t place, const char *code, const char *attribute)
{
    struct ingest *ingest = request_state(request);
    struct verdict verdict = ingest_verdict(request, REJECTED, place, code, attribute);
    struct schema_error error = {.code = verdict.reason, .detail = verdict.detail};

    snprintf(error.pointer, sizeof error.pointer, "%s", verdict.pointer);
    ingest->errors->total++;
    if (ingest->errors->count < SCHEMA_ERRORS_LIMIT)
        ingest->errors->list[ingest->errors->count++] = error;
    ingest->verdicts[place] = verdict;
}

void ingest_compare(struct request *request, size_t place, const char *stored)
{
    struct ingest *ingest = request_state(request);
    const struct cloudevent *event = &ingest->batch.events[place];
    struct verdict *verdict = &ingest->verdicts[place];
    char pointer[SCHEMA_POINTER_SIZE];
    char received[SHA256_HEX_SIZE];

    hex_write(event->digest, sizeof event->digest, received);
    cloudevents_pointer(ingest->form, event->index, "", pointer);
    verdict->pointer = arena_text(request_arena(request), pointer);
    verdict->stored_digest = arena_text(request_arena(request), stored);
    verdict->state = strcmp(received, stored) == 0 ? DUPLICATE : CONFLICT;
    if (verdict->state == CONFLICT) {
        verdict->reason = "event_conflict";
        verdict->detail = problem_find(verdict->reason)->detail[request_language(request)];
    }
}

void ingest_describe(const struct ingest *ingest, size_t place, struct buffer *row)
{
    const struct cloudevent *event = &ingest->batch.events[place];
    const struct verdict *verdict = &ingest->verdicts[place];
    const struct {
        const char *name, *value;
    } members[] = {{"source", event->source},   {"id", event->id},
                   {"type", event->type},       {"subject", event->subject},
                   {"reason", verdict->reason}, {"pointer", verdict->pointer}};

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (members[i].value == NULL)
            continue;
        buffer_append_format(row, ",\"%s\":", members[i].name);
        json_write_text(row, slice_of(members[i].value));
    }
}
