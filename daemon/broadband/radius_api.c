/*
 * FreeRADIUS's rlm_rest. Its statuses mean: 200 go on with these attributes, 404 no such user, 403
 * refused; 204 done. A 4xx to accounting would block its replay queue for ever, so what cannot be
 * counted goes to quarantine and is answered as done; a 5xx (from the framework, when the database
 * is away) makes it send again.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "daemon/db/session.h"
#include "daemon/http/environment.h"
#include "daemon/http/request.h"
#include "daemon/resources/line_secret.h"
#include "operations.h"
#include "proto/radius.h"
#include "statements.h"

enum { INTERIM_SECONDS = 300 };

static struct radius_request *read_packet(struct request *request, const char **problem)
{
    struct radius_request *packet = arena_allocate(request_arena(request), 1, sizeof *packet);

    *problem = radius_read(request_bytes(request), packet);
    return packet;
}

/* ---- Authorization ---- */

/* FreeRADIUS expands %{...} in a value unless it is told not to. Of several values it makes as many
 * attributes. The array is taken over. */
static void add_attributes(json_t *answer, const char *name, json_t *values)
{
    json_object_set_new(answer, name,
                        json_pack("{s:s, s:o, s:b}", "op", ":=", "value", values, "do_xlat", 0));
}

static void add_attribute(json_t *answer, const char *name, json_t *value)
{
    add_attributes(answer, name, json_pack("[o]", value));
}

/* An attribute for each of a column's words, where there are any. */
static void add_words(json_t *answer, const char *name, struct slice words, const char *suffix)
{
    json_t *values = json_array();
    struct slice word;

    while (words.length > 0) {
        if (!slice_split(&words, ' ', &word)) {
            word = words;
            words.length = 0;
        }
        json_array_append_new(values, json_sprintf("%.*s%s", (int)word.length, word.data, suffix));
    }
    if (json_array_size(values) > 0)
        add_attributes(answer, name, values);
    else
        json_decref(values);
}

/* The first IPv4 address is the customer's own, the others are routed to it. */
static void add_addresses(json_t *answer, const PGresult *rows)
{
    struct slice rest = slice_of(result_text(rows, 0, "routed")), first;

    if (!slice_split(&rest, ' ', &first)) {
        first = rest;
        rest.length = 0;
    }
    add_words(answer, "reply:Framed-IP-Address", first, "");
    add_words(answer, "reply:Framed-Route", rest, "/32 0.0.0.0 1");
    add_words(answer, "reply:Framed-IPv6-Prefix", slice_of(result_text(rows, 0, "framed_prefixes")),
              "");
    add_words(answer, "reply:Delegated-IPv6-Prefix",
              slice_of(result_text(rows, 0, "delegated_prefixes")), "");
}

static void add_seconds(json_t *answer, const char *name, const PGresult *rows, const char *column)
{
    if (!result_is_null(rows, 0, column))
        add_attribute(answer, name, json_integer(result_number(rows, 0, column)));
}

static enum step answer_line(struct request *request, const PGresult *rows, const char *password)
{
    json_t *answer = json_object();

    add_attribute(answer, "control:Cleartext-Password", json_string(password));
    add_addresses(answer, rows);
    add_attribute(answer, "reply:Acct-Interim-Interval", json_integer(INTERIM_SECONDS));
    add_seconds(answer, "reply:Session-Timeout", rows, "session_timeout");
    add_seconds(answer, "reply:Idle-Timeout", rows, "idle_timeout");
    /* As the access server sees it: receive is the customer's upstream. */
    add_attribute(answer, "reply:Mikrotik-Rate-Limit",
                  json_sprintf("%sk/%sk", result_text(rows, 0, "maximum_upstream_kbit"),
                               result_text(rows, 0, "maximum_downstream_kbit")));
    if (!result_is_null(rows, 0, "filter"))
        add_attribute(answer, "reply:Filter-Id", json_string(result_text(rows, 0, "filter")));
    enum step step = request_answer_json(request, 200, answer);
    json_decref(answer);
    return step;
}

static enum step take_line(struct request *request, const PGresult *rows)
{
    const char *password;

    if (PQntuples(rows) == 0)
        return request_answer_empty(request, 404);
    if (strcmp(result_text(rows, 0, "state"), "active") != 0 || result_is_null(rows, 0, "secret"))
        return request_answer_empty(request, 403);
    password = line_secret_open(
        http_environment()->seal_keys, request_arena(request), result_text(rows, 0, "tenant_id"),
        result_text(rows, 0, "resource_id"), slice_of(result_text(rows, 0, "secret")));
    return password == NULL ? request_refuse(request, "secret_unreadable", NULL)
                            : answer_line(request, rows, password);
}

enum step operation_radius_authorize(struct request *request)
{
    const char *problem;
    const struct radius_request *packet = read_packet(request, &problem);

    if (problem != NULL || packet->user_name[0] == '\0')
        return request_answer_empty(request, 404);
    request_bind(request, "login", packet->user_name);
    return request_query(request, &statement_find_line, take_line);
}

/* FreeRADIUS tells how a sign-in ended; nothing is kept of it. */
enum step operation_radius_post_auth(struct request *request)
{
    return request_answer_empty(request, 204);
}

/* ---- Accounting ---- */

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text[0] != '\0')
        json_object_set_new(object, name, json_string(text));
}

static void set_time(json_t *object, const char *name, int64_t seconds)
{
    if (seconds != 0)
        json_object_set_new(object, name, json_integer(seconds));
}

/* What radius_packet_of in the schema reads; 64 bits without a sign go as text. */
static const char *packet_text(struct arena *arena, const struct radius_request *packet)
{
    json_t *object = json_object();

    json_object_set_new(object, "status", json_integer(packet->status));
    set_text(object, "login", packet->user_name);
    set_text(object, "session_id", packet->session_id);
    set_text(object, "address", packet->server_address);
    set_text(object, "identifier", packet->server_identifier);
    set_text(object, "framed_address", packet->framed_address);
    set_text(object, "calling_station", packet->calling_station);
    set_text(object, "terminate_cause", packet->terminate_cause);
    json_object_set_new(object, "input_bytes",
                        json_sprintf("%llu", (unsigned long long)packet->input_octets));
    json_object_set_new(object, "output_bytes",
                        json_sprintf("%llu", (unsigned long long)packet->output_octets));
    if (packet->has_session_time)
        json_object_set_new(object, "session_time", json_integer(packet->session_time));
    json_object_set_new(object, "delay", json_integer(packet->delay));
    set_time(object, "event_at", packet->event_at);
    set_time(object, "received_at", packet->received_at);
    char *text = json_dumps(object, JSON_COMPACT);
    const char *copy = arena_text(arena, text);
    free(text);
    json_decref(object);
    return copy;
}

static enum step answer_done(struct request *request, const PGresult *rows)
{
    if (!result_is_null(rows, 0, "problem"))
        log_warning("radius_quarantined", log_text("reason", result_text(rows, 0, "problem")),
                    log_text("request_id", request_id(request)));
    return request_answer_empty(request, 204);
}

enum step operation_radius_accounting(struct request *request)
{
    const char *problem;
    const struct radius_request *packet = read_packet(request, &problem);

    if (problem != NULL) {
        request_bind(request, "reason", problem);
        return request_query(request, &statement_quarantine_packet, answer_done);
    }
    request_bind(request, "packet", packet_text(request_arena(request), packet));
    return request_query(request, &statement_account_packet, answer_done);
}
