/*
 * TLS contexts of listeners, and certificates for those who have none.
 *
 * Every problem is one line that says what is wrong, with which file, and the remedy.
 */
#ifndef DAEMON_NET_TLS_H
#define DAEMON_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

enum {
    TLS_TICKET_KEYS_SIZE = 80, /* OpenSSL's: name 16, HMAC 32, AES 32 */
    TLS_PROBLEM_SIZE = 1024,
    TLS_SERVER_DAYS = 825, /* more is refused by Apple's clients */
    TLS_AUTHORITY_DAYS = 3650,
};

/* PEM files. */
struct tls_files {
    const char *certificate; /* the server's, then its chain */
    const char *key;
    const char *client_authority; /* client certificates are asked for and must be signed by one of
                                     these; NULL: none is asked for */
};

/* Keys of session tickets, made once before the workers are forked, so that a session begun with
 * one resumes with any. */
struct tls_ticket_keys {
    unsigned char bytes[TLS_TICKET_KEYS_SIZE];
};

void tls_ticket_keys_make(struct tls_ticket_keys *keys);

/* A server's context: TLS 1.2 and 1.3, HTTP/1.1 by ALPN. NULL with `problem` when a file is
 * missing or wrong, the key is not the certificate's, or the certificate has expired. The caller
 * frees it with SSL_CTX_free. */
SSL_CTX *tls_server_new(const struct tls_files *files, const struct tls_ticket_keys *keys,
                        char problem[TLS_PROBLEM_SIZE]);

/* A client's context, which trusts the authorities of one file, or the system's where it is NULL.
 * NULL with `problem` when they cannot be read. */
SSL_CTX *tls_client_new(const char *authority, char problem[TLS_PROBLEM_SIZE]);

/* Writes an authority of our own (ca.pem, ca.key) and a P-256 certificate that it signed for
 * localhost, 127.0.0.1, ::1 and `names` (server.pem, server.key) into a directory that is there.
 * Keys have mode 0600. What is there already is replaced. */
bool tls_make_certificate(const char *directory, const char *const *names, size_t count,
                          char problem[TLS_PROBLEM_SIZE]);

/* Writes NAME.pem and NAME.key: a client certificate for `common_name`, signed by the authority of
 * tls_make_certificate in that directory. */
bool tls_issue_client(const char *directory, const char *name, const char *common_name,
                      char problem[TLS_PROBLEM_SIZE]);

#endif
