/*
 * What the files of the connection layer share: network.c makes connections and counts them,
 * connection.c moves one through its states, whose steps are in connection_steps.c, and answer.c
 * frames what it sends.
 */
#ifndef DAEMON_NET_CONNECTION_INTERNAL_H
#define DAEMON_NET_CONNECTION_INTERNAL_H

#include "common/registry.h"
#include "daemon/net/address.h"
#include "daemon/net/connection.h"
#include "daemon/net/tally.h"
#include "daemon/net/transport.h"

enum {
    CONNECTION_MAGIC = 0x434f4e4e,
    NETWORK_MAGIC = 0x4e455457,
    LISTENER_MAGIC = 0x4c495354,
};

enum {
    DATE_SIZE = 40,
    CONNECTION_INPUT_LIMIT = HTTP1_HEAD_LIMIT + 2 * TRANSPORT_READ_SIZE,
};

struct network {
    unsigned magic;
    struct event_base *base;
    struct network_limits limits;
    const struct network_handler *handler;
    struct registry *connections;
    struct tally *addresses;
    struct network_listener *listeners; /* linked by `next` */
    int64_t held;                       /* bytes of bodies and answers */
    bool draining;
    struct event *drained_event; /* NULL until network_drain */
    void (*drained)(void *context);
    void *drained_context;
    int64_t date_second; /* that `date` spells */
    char date[DATE_SIZE];
    char scratch[TRANSPORT_READ_SIZE]; /* every read goes here first */
};

struct network_listener {
    unsigned magic;
    struct network *network;
    struct network_listener *next;
    int descriptor;
    int kind;
    SSL_CTX *tls;
    struct event *acceptable;
    struct event *rearm;
};

enum connection_state {
    CONNECTION_HANDSHAKE,
    CONNECTION_IDLE,   /* no byte of a head has come */
    CONNECTION_HEAD,   /* some have */
    CONNECTION_WAIT,   /* it is the handler's turn */
    CONNECTION_BODY,   /* is being read */
    CONNECTION_WRITE,  /* output is being sent */
    CONNECTION_LINGER, /* all was sent; what comes is dropped, so that no reset overtakes it */
    CONNECTION_CLOSED, /* to be freed */
};

enum connection_wait {
    WAIT_FOR_NOTHING,
    WAIT_FOR_READ,
    WAIT_FOR_WRITE,
    WAIT_FOR_TURN, /* could go on at once: others first */
};

struct connection {
    unsigned magic;
    enum connection_state state;
    enum connection_wait wait; /* for what the state's step waits */
    struct network *network;
    uint64_t number;
    uint64_t exchange;
    uint64_t address_key;
    char address[ADDRESS_TEXT_SIZE];
    char *certificate_name;
    int kind;
    struct transport transport;
    struct event *readable, *writable, *deadline;
    int64_t state_entered; /* monotonic milliseconds, as are the next two; INT64_MAX: none */
    int64_t deadline_at;
    int64_t deadline_looks; /* when `deadline` fires: then or sooner */
    int transfers;          /* reads and writes in this turn */

    bool running;      /* connection_run is on the stack */
    bool served;       /* a request has come */
    bool owed;         /* the handler has not given the whole answer */
    bool closing;      /* after this answer */
    bool reset;        /* close with a reset */
    bool input_fresh;  /* may hold a head that was not looked at */
    bool body_pending; /* the request's body was not read to its end */
    bool begun;        /* the answer's head is in `output` */
    bool bodiless;     /* the answer has no body: HEAD, 204, 304 */

    struct buffer input;      /* read, not taken */
    struct buffer head_bytes; /* what `head` points into */
    struct http1_head *head;  /* of the request under way; NULL in between */
    struct buffer body;       /* of the request */
    uint64_t body_remaining;  /* of a body with a length */
    uint64_t body_received;
    struct http1_chunks chunks;
    struct buffer output;
    size_t output_sent;        /* bytes of `output` */
    struct slice constant;     /* goes out behind `output`; nobody's to free */
    uint64_t answer_remaining; /* bytes that the handler has still to write */
    int64_t held;              /* what this connection adds to network->held */
    int64_t request_started;   /* monotonic microseconds */
};

/* connection.c */

/* Takes over the descriptor, and `tls` (NULL for plain TCP). */
void connection_open(struct network_listener *listener, int descriptor, SSL *tls,
                     const struct sockaddr_storage *address);

/* The one way from state to state; sets the state's deadline. */
void connection_enter(struct connection *connection, enum connection_state state);

/* Enters CONNECTION_CLOSED; connection_run frees it. `reset` drops what was not sent yet. */
void connection_close(struct connection *connection, bool reset);

/* Runs the state machine from the event loop. */
void connection_schedule(struct connection *connection);

/* Steps until the connection waits for something; then it may have been freed. */
void connection_run(struct connection *connection);

/* connection_steps.c */

/* Does what the state asks for, as far as that goes without waiting. */
void connection_step(struct connection *connection);

/* Frees the request's head and body. */
void connection_drop_request(struct connection *connection);

/* answer.c */

/* Answers in the handler's place, through its `failed`, and closes. */
void connection_fail(struct connection *connection, int status, const char *code);

/* network.c */

/* The connection was taken from the counts. */
void network_forget(struct connection *connection);

#endif
