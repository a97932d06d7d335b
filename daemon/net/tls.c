#include "daemon/net/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/check.h"
#include "common/digest.h"

enum {
    TICKETS = 1,           /* of one handshake */
    SESSION_SECONDS = 7200 /* for how long a ticket resumes */
};

/* TLS 1.2 only; 1.3 has its own, all fit. ECDSA first: it signs 13 times as fast as RSA. */
static const char CIPHERS[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
                              "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:"
                              "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305";
static const char GROUPS[] = "X25519:P-256:P-384";
static const unsigned char PROTOCOL[] = "\x08http/1.1";

void tls_ticket_keys_make(struct tls_ticket_keys *keys)
{
    random_bytes(keys->bytes, sizeof keys->bytes);
}

/* Clients that offer protocols, but not ours, are told so (RFC 7301, 3.2), which also ends attempts
 * to make us speak with a client of another protocol. */
static int choose_protocol(SSL *tls, const unsigned char **chosen, unsigned char *length,
                           const unsigned char *offered, unsigned offered_length, void *context)
{
    unsigned char *found;

    (void)tls;
    (void)context;
    if (SSL_select_next_proto(&found, length, PROTOCOL, sizeof PROTOCOL - 1, offered,
                              offered_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

/* Nobody sits at the terminal of a daemon. */
static int no_passphrase(char *text, int size, int writing, void *context)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)context;
    return 0;
}

static bool readable(const char *path, const char *what, char *problem)
{
    if (access(path, R_OK) == 0)
        return true;
    snprintf(problem, TLS_PROBLEM_SIZE, "%s %s: %s; %s", what, path, strerror(errno),
             errno == EACCES ? "let the daemon's user read it"
                             : "name an existing PEM file, or have one made by a certificate "
                               "authority");
    return false;
}

static bool load_certificate(SSL_CTX *context, const char *path, char *problem)
{
    if (!readable(path, "certificate", problem))
        return false;
    if (SSL_CTX_use_certificate_chain_file(context, path) == 1)
        return true;
    snprintf(problem, TLS_PROBLEM_SIZE,
             "certificate %s: no certificate in PEM form; it begins with -----BEGIN "
             "CERTIFICATE-----",
             path);
    return false;
}

static bool load_key(SSL_CTX *context, const struct tls_files *files, char *problem)
{
    if (!readable(files->key, "key", problem))
        return false;
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(context) == 1)
        return true;
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    if (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH)
        snprintf(problem, TLS_PROBLEM_SIZE,
                 "key %s: it is not the key of certificate %s; name the pair that belongs together",
                 files->key, files->certificate);
    else
        snprintf(problem, TLS_PROBLEM_SIZE,
                 "key %s: no unencrypted private key in PEM form; decrypt it with `openssl pkey`",
                 files->key);
    return false;
}

static bool certificate_valid_now(const SSL_CTX *context, const char *path, char *problem)
{
    const X509 *certificate = SSL_CTX_get0_certificate(context);

    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        snprintf(problem, TLS_PROBLEM_SIZE, "certificate %s: it has expired; renew it", path);
    else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        snprintf(problem, TLS_PROBLEM_SIZE,
                 "certificate %s: it is not valid yet; look at this machine's clock", path);
    else
        return true;
    return false;
}

/* A ticket resumes only where the same authorities judged the client's certificate: their keys
 * count, since a new one may have the name of the old. */
static void set_session_context(SSL_CTX *context)
{
    STACK_OF(X509) *authorities = X509_STORE_get1_all_certs(SSL_CTX_get_cert_store(context));
    struct sha256 *digest = sha256_new();
    unsigned char result[SHA256_SIZE];

    for (int i = 0; i < sk_X509_num(authorities); i++) {
        check(X509_digest(sk_X509_value(authorities, i), EVP_sha256(), result, NULL) == 1);
        sha256_add(digest, result, sizeof result);
    }
    sk_X509_pop_free(authorities, X509_free);
    sha256_finish(&digest, result);
    check(SSL_CTX_set_session_id_context(context, result, sizeof result) == 1);
}

static bool load_client_authority(SSL_CTX *context, const char *path, char *problem)
{
    STACK_OF(X509_NAME) * names;

    if (!readable(path, "client authority", problem))
        return false;
    names = SSL_load_client_CA_file(path);
    if (names == NULL || SSL_CTX_load_verify_locations(context, path, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        snprintf(problem, TLS_PROBLEM_SIZE,
                 "client authority %s: no certificates in PEM form; put those there that sign your "
                 "nodes' certificates",
                 path);
        return false;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_client_CA_list(context, names);
    return true;
}

static SSL_CTX *context_new(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);

    check(context != NULL);
    check(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
    check(SSL_CTX_set_cipher_list(context, CIPHERS) == 1);
    check(SSL_CTX_set1_groups_list(context, GROUPS) == 1);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1); /* a record's head and body with one call */
    return context;
}

/* All state of a session is in its ticket. */
static void set_sessions(SSL_CTX *context, const struct tls_ticket_keys *keys)
{
    unsigned char bytes[TLS_TICKET_KEYS_SIZE];

    memcpy(bytes, keys->bytes, sizeof bytes);
    check(SSL_CTX_set_tlsext_ticket_keys(context, bytes, sizeof bytes) == 1);
    OPENSSL_cleanse(bytes, sizeof bytes);
    check(SSL_CTX_set_num_tickets(context, TICKETS) == 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context, SESSION_SECONDS);
}

SSL_CTX *tls_server_new(const struct tls_files *files, const struct tls_ticket_keys *keys,
                        char problem[TLS_PROBLEM_SIZE])
{
    SSL_CTX *context = context_new(TLS_server_method());

    set_sessions(context, keys);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    ERR_clear_error();
    if (!load_certificate(context, files->certificate, problem) ||
        !load_key(context, files, problem) ||
        !certificate_valid_now(context, files->certificate, problem) ||
        (files->client_authority != NULL &&
         !load_client_authority(context, files->client_authority, problem))) {
        SSL_CTX_free(context);
        context = NULL;
    } else {
        set_session_context(context);
    }
    ERR_clear_error();
    return context;
}

static bool load_authority(SSL_CTX *context, const char *path, char *problem)
{
    if (!readable(path, "authority", problem))
        return false;
    if (SSL_CTX_load_verify_locations(context, path, NULL) == 1)
        return true;
    snprintf(problem, TLS_PROBLEM_SIZE,
             "authority %s: no certificates in PEM form; name the ca.pem of the server", path);
    return false;
}

SSL_CTX *tls_client_new(const char *authority, char problem[TLS_PROBLEM_SIZE])
{
    SSL_CTX *context = context_new(TLS_client_method());

    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (authority == NULL) {
        check(SSL_CTX_set_default_verify_paths(context) == 1);
    } else if (!load_authority(context, authority, problem)) {
        SSL_CTX_free(context);
        context = NULL;
    }
    ERR_clear_error();
    return context;
}
