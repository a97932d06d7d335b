#include "daemon/process/hasher.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/check.h"
#include "common/instant.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metric.h"
#include "daemon/process/listeners.h"
#include "daemon/process/password.h"
#include "proto/message.h"

_Static_assert((int)MESSAGE_PASSWORD_LIMIT == (int)PASSWORD_LIMIT, "any password fits");
_Static_assert((int)MESSAGE_HASH_LIMIT == (int)PASSWORD_HASH_SIZE - 1, "any hash fits");

static void work(const struct message_request *request, struct message_answer *answer,
                 char hash[PASSWORD_HASH_SIZE])
{
    static const enum message_outcome outcomes[] = {
        [HASHER_DONE] = MESSAGE_DONE,
        [HASHER_WRONG] = MESSAGE_WRONG,
        [HASHER_UNAVAILABLE] = MESSAGE_FAILED,
    };

    answer->number = request->number;
    answer->hash = (struct slice){NULL, 0};
    if (request->kind == MESSAGE_HASH) {
        bool made = password_hash(request->password, hash);
        answer->outcome = made ? MESSAGE_DONE : MESSAGE_FAILED;
        answer->hash = slice_of(made ? hash : NULL);
    } else {
        memcpy(hash, request->hash.data, request->hash.length);
        hash[request->hash.length] = '\0';
        answer->outcome = outcomes[password_verify(request->password, hash)];
    }
    metric_add(METRIC_PASSWORDS_HASHED, 1);
}

/* Takes one request from a socket. What came too late is dropped: the worker gave it up. */
static void serve(int descriptor)
{
    char bytes[MESSAGE_SIZE], hash[PASSWORD_HASH_SIZE];
    ssize_t length = recv(descriptor, bytes, sizeof bytes, MSG_DONTWAIT | MSG_TRUNC);
    struct message_request request;
    struct message_answer answer;

    if (length <= 0)
        return;
    if ((size_t)length > sizeof bytes ||
        !message_read_request((struct slice){bytes, (size_t)length}, &request)) {
        log_error("hasher_bad_request");
    } else if (request.deadline > monotonic_milliseconds()) {
        work(&request, &answer, hash);
        length = (ssize_t)message_write_answer(&answer, bytes);
        /* A worker that does not read has its deadlines. */
        (void)!send(descriptor, bytes, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    memory_wipe(bytes, sizeof bytes);
    memory_wipe(hash, sizeof hash);
}

int hasher_run(const int *descriptors, unsigned count)
{
    struct pollfd polls[WORKERS_LIMIT];

    check(count <= WORKERS_LIMIT);
    for (unsigned i = 0; i < count; i++)
        polls[i] = (struct pollfd){.fd = descriptors[i], .events = POLLIN};
    for (;;) {
        if (poll(polls, count, -1) < 0 && errno != EINTR) {
            log_error("poll_failed", log_text("reason", strerror(errno)));
            return EXIT_FAILURE;
        }
        for (unsigned i = 0; i < count; i++)
            if ((polls[i].revents & POLLIN) != 0)
                serve(descriptors[i]);
    }
}
