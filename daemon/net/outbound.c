#include "daemon/net/outbound.h"

#include <curl/curl.h>

#include "common/buffer.h"
#include "common/check.h"
#include "common/instant.h"
#include "common/memory.h"

enum { OUTBOUND_MAGIC = 0x6f757462, EXCHANGE_MAGIC = 0x65786368 };

struct exchange {
    unsigned magic;
    struct outbound *outbound;
    struct exchange *previous, *next;
    CURL *handle;
    struct curl_slist *fields;
    struct buffer body, answer;
    char problem[CURL_ERROR_SIZE];
    outbound_handler handler;
    void *context;
};

struct outbound {
    unsigned magic;
    struct event_base *base;
    CURLM *multi;
    struct event *timer;
    struct exchange *first;
};

/* ---- One exchange ---- */

static void unlink_exchange(struct exchange *exchange)
{
    struct exchange **link =
        exchange->previous == NULL ? &exchange->outbound->first : &exchange->previous->next;

    *link = exchange->next;
    if (exchange->next != NULL)
        exchange->next->previous = exchange->previous;
}

static void exchange_free(struct exchange *exchange)
{
    check_magic(exchange, EXCHANGE_MAGIC);
    unlink_exchange(exchange);
    curl_multi_remove_handle(exchange->outbound->multi, exchange->handle);
    curl_easy_cleanup(exchange->handle);
    curl_slist_free_all(exchange->fields);
    buffer_free(&exchange->body);
    buffer_free(&exchange->answer);
    exchange->magic = 0;
    memory_free(exchange);
}

static enum outbound_result result_of(CURL *handle, CURLcode code)
{
    long sent = 0;

    if (code == CURLE_OK)
        return OUTBOUND_ANSWERED;
    curl_easy_getinfo(handle, CURLINFO_REQUEST_SIZE, &sent);
    return sent == 0 ? OUTBOUND_UNSENT : OUTBOUND_LOST;
}

static const char *problem_of(const struct exchange *exchange, CURLcode code)
{
    if (buffer_overflowed(&exchange->answer))
        return "the answer is longer than any should be";
    return exchange->problem[0] == '\0' ? curl_easy_strerror(code) : exchange->problem;
}

static void end_exchange(struct exchange *exchange, CURLcode code)
{
    struct outbound_answer answer = {
        .result = result_of(exchange->handle, code),
        .body = buffer_slice(&exchange->answer),
        .problem = problem_of(exchange, code),
    };
    curl_off_t retry_after = 0;
    long status = 0;

    curl_easy_getinfo(exchange->handle, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(exchange->handle, CURLINFO_RETRY_AFTER, &retry_after);
    answer.status = (int)status;
    answer.retry_after = retry_after;
    exchange->handler(exchange->context, &answer);
    exchange_free(exchange);
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;

    buffer_append(&exchange->answer, bytes, size * count);
    return buffer_overflowed(&exchange->answer) ? 0 : size * count;
}

/* ---- libcurl on the loop ---- */

static void end_finished(struct outbound *outbound)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(outbound->multi, &left)) != NULL) {
        struct exchange *exchange;

        check(message->msg == CURLMSG_DONE);
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&exchange);
        check_magic(exchange, EXCHANGE_MAGIC);
        end_exchange(exchange, code);
    }
}

static void act(struct outbound *outbound, curl_socket_t descriptor, int what)
{
    int running;

    check_magic(outbound, OUTBOUND_MAGIC);
    check(curl_multi_socket_action(outbound->multi, descriptor, what, &running) == CURLM_OK);
    end_finished(outbound);
}

static void on_socket(evutil_socket_t descriptor, short what, void *context)
{
    act(context, descriptor,
        ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
            ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void on_time(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor;
    (void)what;
    act(context, CURL_SOCKET_TIMEOUT, 0);
}

static int watch_socket(CURL *handle, curl_socket_t descriptor, int what, void *context,
                        void *watcher)
{
    struct outbound *outbound = context;
    struct event *event = watcher;
    short wanted = (short)((what == CURL_POLL_IN || what == CURL_POLL_INOUT ? EV_READ : 0) |
                           (what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? EV_WRITE : 0));

    (void)handle;
    if (event != NULL)
        event_free(event);
    event = NULL;
    if (what != CURL_POLL_REMOVE) {
        event = event_new(outbound->base, descriptor, (short)(wanted | EV_PERSIST), on_socket,
                          outbound);
        check(event != NULL && event_add(event, NULL) == 0);
    }
    curl_multi_assign(outbound->multi, descriptor, event);
    return 0;
}

static int set_timer(CURLM *multi, long milliseconds, void *context)
{
    struct outbound *outbound = context;
    struct timeval time = timeval_of(milliseconds < 0 ? 0 : milliseconds);

    (void)multi;
    if (milliseconds < 0)
        evtimer_del(outbound->timer);
    else
        check(evtimer_add(outbound->timer, &time) == 0);
    return 0;
}

struct outbound *outbound_new(struct event_base *base)
{
    struct outbound *outbound = memory_allocate(1, sizeof *outbound);

    outbound->magic = OUTBOUND_MAGIC;
    outbound->base = base;
    check(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    outbound->multi = curl_multi_init();
    outbound->timer = evtimer_new(base, on_time, outbound);
    check(outbound->multi != NULL && outbound->timer != NULL);
    curl_multi_setopt(outbound->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(outbound->multi, CURLMOPT_SOCKETDATA, outbound);
    curl_multi_setopt(outbound->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(outbound->multi, CURLMOPT_TIMERDATA, outbound);
    return outbound;
}

void outbound_free(struct outbound **outbound)
{
    if (*outbound == NULL)
        return;
    check_magic(*outbound, OUTBOUND_MAGIC);
    while ((*outbound)->first != NULL)
        exchange_free((*outbound)->first);
    curl_multi_cleanup((*outbound)->multi);
    curl_global_cleanup();
    event_free((*outbound)->timer);
    memory_free(*outbound);
    *outbound = NULL;
}

/* ---- Sending ---- */

static void set_up(CURL *handle, const struct outbound_request *request)
{
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(handle, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /* On a connection used before libcurl would send a request again by itself. */
    curl_easy_setopt(handle, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(handle, CURLOPT_URL, request->url);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)request->timeout);
    if (request->username != NULL) {
        curl_easy_setopt(handle, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(handle, CURLOPT_USERNAME, request->username);
        curl_easy_setopt(handle, CURLOPT_PASSWORD, request->password);
    }
    if (request->authority != NULL) {
        struct curl_blob pem = {(void *)(uintptr_t)request->authority, strlen(request->authority),
                                CURL_BLOB_COPY};

        curl_easy_setopt(handle, CURLOPT_CAINFO_BLOB, &pem);
        curl_easy_setopt(handle, CURLOPT_CAPATH, NULL);
    }
}

static void set_body(struct exchange *exchange, struct slice body)
{
    if (body.length == 0)
        return;
    buffer_append_slice(&exchange->body, body);
    curl_easy_setopt(exchange->handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.length);
    curl_easy_setopt(exchange->handle, CURLOPT_POSTFIELDS, buffer_slice(&exchange->body).data);
}

void outbound_send(struct outbound *outbound, const struct outbound_request *request,
                   outbound_handler handler, void *context)
{
    struct exchange *exchange = memory_allocate(1, sizeof *exchange);

    check_magic(outbound, OUTBOUND_MAGIC);
    exchange->magic = EXCHANGE_MAGIC;
    exchange->outbound = outbound;
    exchange->handler = handler;
    exchange->context = context;
    exchange->body = buffer_make(OUTBOUND_BODY_LIMIT);
    exchange->answer = buffer_make(OUTBOUND_BODY_LIMIT);
    exchange->handle = curl_easy_init();
    check(exchange->handle != NULL);
    exchange->next = outbound->first;
    if (exchange->next != NULL)
        exchange->next->previous = exchange;
    outbound->first = exchange;
    set_up(exchange->handle, request);
    set_body(exchange, request->body);
    for (const char *const *field = request->fields; field != NULL && *field != NULL; field++)
        exchange->fields = curl_slist_append(exchange->fields, *field);
    curl_easy_setopt(exchange->handle, CURLOPT_HTTPHEADER, exchange->fields);
    curl_easy_setopt(exchange->handle, CURLOPT_ERRORBUFFER, exchange->problem);
    curl_easy_setopt(exchange->handle, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(exchange->handle, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(exchange->handle, CURLOPT_PRIVATE, exchange);
    check(curl_multi_add_handle(outbound->multi, exchange->handle) == CURLM_OK);
}
