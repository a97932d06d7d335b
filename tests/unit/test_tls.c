/*
 * Contexts, certificates and their problems; listening sockets.
 */
#include "daemon/net/tls.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/check.h"
#include "daemon/net/address.h"
#include "daemon/net/tally.h"
#include "tests/unit/loopback.h"
#include "tests/unit/unit.h"

enum { PATH_SIZE = 256 };

static const char *file(const char *name, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%s", loopback_directory(), name);
    return path;
}

static X509 *read_certificate(const char *name)
{
    char path[PATH_SIZE];
    BIO *input = BIO_new_file(file(name, path), "r");

    check(input != NULL);
    X509 *certificate = PEM_read_bio_X509(input, NULL, NULL, NULL);
    BIO_free(input);
    check(certificate != NULL);
    return certificate;
}

TEST(tls_made_certificate)
{
    X509 *certificate = read_certificate("server.pem");
    X509 *authority = read_certificate("ca.pem");
    EVP_PKEY *key = X509_get0_pubkey(authority);
    struct stat status;
    char path[PATH_SIZE];
    int days = 0;
    int seconds = 0;

    EXPECT(X509_verify(certificate, key) == 1);
    EXPECT(X509_check_host(certificate, "localhost", 0, 0, NULL) == 1);
    EXPECT(X509_check_host(certificate, "example.org", 0, 0, NULL) == 0);
    EXPECT(X509_check_ip_asc(certificate, "127.0.0.1", 0) == 1);
    EXPECT(X509_check_ip_asc(certificate, "::1", 0) == 1);
    EXPECT(X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, 0) == 1);
    EXPECT(X509_check_purpose(certificate, X509_PURPOSE_SSL_CLIENT, 0) == 0);
    EXPECT(X509_check_ca(authority) == 1);
    EXPECT(ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) == 1);
    EXPECT(days == TLS_SERVER_DAYS - 1 || days == TLS_SERVER_DAYS);
    EXPECT(stat(file("server.key", path), &status) == 0 && (status.st_mode & 0777) == 0600);
    EXPECT(stat(file("ca.key", path), &status) == 0 && (status.st_mode & 0777) == 0600);
    X509_free(certificate);
    X509_free(authority);
}

TEST(tls_certificate_names)
{
    static const char *const GOOD[] = {"cloud.example.org", "192.0.2.1", "*.example.org"};
    static const char *const BAD[] = {"a,IP:10.0.0.1"};
    char problem[TLS_PROBLEM_SIZE] = "";
    X509 *certificate;

    EXPECT(!tls_make_certificate(loopback_directory(), BAD, 1, problem));
    EXPECT_TEXT(problem, "\"a,IP:10.0.0.1\": no host name and no address; names are letters, "
                         "digits, '-' and '.'");
    EXPECT(!tls_make_certificate("/nonexistent", GOOD, 3, problem));
    EXPECT_TEXT(problem, "/nonexistent/ca.key: cannot be written: No such file or directory; give "
                         "a directory that we own");
    EXPECT(tls_make_certificate(loopback_directory(), GOOD, 3, problem));
    EXPECT(tls_issue_client(loopback_directory(), "node", "node-1", problem));
    certificate = read_certificate("server.pem");
    EXPECT(X509_check_host(certificate, "cloud.example.org", 0, 0, NULL) == 1);
    EXPECT(X509_check_ip_asc(certificate, "192.0.2.1", 0) == 1);
    X509_free(certificate);
}

static void expect_problem(const char *certificate, const char *key, const char *authority,
                           const char *expected)
{
    struct tls_ticket_keys keys;
    struct tls_files files = {certificate, key, authority};
    char problem[TLS_PROBLEM_SIZE] = "";
    SSL_CTX *context;

    tls_ticket_keys_make(&keys);
    context = tls_server_new(&files, &keys, problem);
    EXPECT(context == NULL);
    SSL_CTX_free(context);
    if (strstr(problem, expected) == NULL)
        unit_failed(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", problem, expected);
    EXPECT(ERR_peek_error() == 0);
}

TEST(tls_problems_name_file_and_remedy)
{
    char pem[PATH_SIZE];
    char key[PATH_SIZE];
    char other[PATH_SIZE];

    file("server.pem", pem);
    file("server.key", key);
    file("node.key", other);
    expect_problem("/nonexistent.pem", key, NULL,
                   "certificate /nonexistent.pem: No such file or directory; name an existing PEM");
    expect_problem(pem, "/nonexistent.key", NULL,
                   "key /nonexistent.key: No such file or directory; name");
    expect_problem(key, key, NULL, "no certificate in PEM form");
    expect_problem(pem, pem, NULL, "no unencrypted private key in PEM form");
    expect_problem(pem, other, NULL, "it is not the key of certificate");
    expect_problem(pem, key, "/nonexistent.pem", "client authority /nonexistent.pem: No such file");
    expect_problem(pem, key, key, "no certificates in PEM form");
}

/* Writes a self-signed certificate whose time lies `from` to `to` seconds from now. */
static void write_dated(const char *name, long from, long to)
{
    X509 *certificate = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char path[PATH_SIZE];
    FILE *output;

    check(certificate != NULL && key != NULL);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to);
    X509_set_pubkey(certificate, key);
    check(X509_sign(certificate, key, EVP_sha256()) > 0);
    output = fopen(file(name, path), "w");
    check(output != NULL);
    PEM_write_X509(output, certificate);
    PEM_write_PrivateKey(output, key, NULL, NULL, 0, NULL, NULL);
    fclose(output);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

TEST(tls_refuses_certificates_out_of_their_time)
{
    char path[PATH_SIZE];

    write_dated("dated.pem", -7200, -3600);
    file("dated.pem", path);
    expect_problem(path, path, NULL, "it has expired; renew it");
    write_dated("dated.pem", 3600, 7200);
    expect_problem(path, path, NULL, "it is not valid yet; look at this machine's clock");
    unlink(path);
}

/* Handshakes */

static SSL_CTX *client_context(const char *certificate)
{
    char pem[PATH_SIZE];
    char key[PATH_SIZE];
    char problem[TLS_PROBLEM_SIZE];
    SSL_CTX *context = tls_client_new(file("ca.pem", pem), problem);

    check(context != NULL);
    SSL_CTX_clear_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE);
    if (certificate == NULL)
        return context;
    snprintf(pem, sizeof pem, "%s/%s.pem", loopback_directory(), certificate);
    snprintf(key, sizeof key, "%s/%s.key", loopback_directory(), certificate);
    check(SSL_CTX_use_certificate_file(context, pem, SSL_FILETYPE_PEM) == 1);
    check(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1);
    return context;
}

/* `expected` NULL: the server refuses. */
static void ask_for_name(int port, const char *certificate, const char *expected)
{
    SSL_CTX *context = client_context(certificate);
    struct raw raw = raw_connect(port);

    raw_start_tls(&raw, SSL_new(context));
    raw_send(&raw, "GET /name HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    raw_read_all(&raw);
    EXPECT_NUMBER(raw_count(&raw, "HTTP/1.1"), expected == NULL ? 0 : 1);
    EXPECT(expected == NULL || raw_count(&raw, expected) == 1);
    raw_close(&raw);
    SSL_CTX_free(context);
}

static void present_certificates(struct loopback *server)
{
    ask_for_name(server->client_port, "node", "\r\n\r\nnode-1");
    ask_for_name(server->client_port, NULL, NULL);
    ask_for_name(server->client_port, "stranger", NULL); /* signed by nobody we know */
    ask_for_name(server->port, "node", "Content-Length: 0");
}

TEST(tls_client_certificates)
{
    struct loopback server;
    char pem[PATH_SIZE];
    char key[PATH_SIZE];

    write_dated("stranger.pem", -3600, 3600); /* with its key */
    check(link(file("stranger.pem", pem), file("stranger.key", key)) == 0);
    loopback_start(&server);
    loopback_run(&server, present_certificates);
    loopback_end(&server);
    unlink(pem);
    unlink(key);
}

static SSL_SESSION *kept_session;

static int keep_session(SSL *tls, SSL_SESSION *session)
{
    (void)tls;
    SSL_SESSION_free(kept_session);
    kept_session = session;
    return 1;
}

static bool resumes(SSL_CTX *context, int port)
{
    struct raw raw = raw_connect(port);
    SSL *tls = SSL_new(context);
    bool reused;

    if (kept_session != NULL)
        SSL_set_session(tls, kept_session);
    raw_start_tls(&raw, tls);
    raw_send(&raw, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT(raw_read_all(&raw) && raw_count(&raw, "hello") == 1);
    reused = SSL_session_reused(tls) == 1;
    raw_close(&raw);
    return reused;
}

/* The listeners' contexts were made apart, with the same keys, as those of two workers are. */
static void resume(struct loopback *server)
{
    SSL_CTX *context = client_context("node");

    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(context, keep_session);
    EXPECT(!resumes(context, server->port));
    EXPECT(resumes(context, server->port));
    EXPECT(!resumes(context, server->client_port)); /* other authorities: judged anew */
    EXPECT(resumes(context, server->client_port));
    SSL_SESSION_free(kept_session);
    kept_session = NULL;
    SSL_CTX_free(context);
}

TEST(tls_resumes_sessions)
{
    struct loopback server;

    loopback_start(&server);
    loopback_run(&server, resume);
    loopback_end(&server);
}

static SSL_CTX *node; /* a client's */

static void begin_session(struct loopback *server)
{
    EXPECT(!resumes(node, server->client_port) && kept_session != NULL);
}

static void try_session(struct loopback *server)
{
    struct raw raw = raw_connect(server->client_port);
    SSL *tls = SSL_new(node);

    SSL_set_session(tls, kept_session);
    raw_start_tls(&raw, tls);
    raw_send(&raw, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    raw_read_all(&raw);
    EXPECT_NUMBER(raw_count(&raw, "hello"), 0);
    raw_close(&raw);
}

/* An authority was replaced by one of the same name: what the old one signed resumes no more. */
TEST(tls_resumes_under_the_same_authority_only)
{
    static struct tls_ticket_keys keys;
    char problem[TLS_PROBLEM_SIZE], certificate[PATH_SIZE], key[PATH_SIZE], other[PATH_SIZE];
    char directory[PATH_SIZE];
    struct tls_files files = {file("server.pem", certificate), file("server.key", key), other};
    struct loopback server;
    SSL_CTX *context;

    snprintf(directory, sizeof directory, "%s/other", loopback_directory());
    check(mkdir(directory, 0700) == 0 && tls_make_certificate(directory, NULL, 0, problem));
    snprintf(other, sizeof other, "%s/other/ca.pem", loopback_directory());
    node = client_context("node");
    SSL_CTX_set_session_cache_mode(node, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(node, keep_session);
    loopback_start(&server);
    loopback_run(&server, begin_session);
    context = tls_server_new(&files, &keys, problem);
    check(context != NULL);
    network_listener_set_tls(server.client_listener, context);
    SSL_CTX_free(context);
    loopback_run(&server, try_session);
    loopback_end(&server);
    SSL_SESSION_free(kept_session);
    kept_session = NULL;
    SSL_CTX_free(node);
    for (size_t i = 0; i < 4; i++) {
        static const char *const names[] = {"ca.pem", "ca.key", "server.pem", "server.key"};
        snprintf(other, sizeof other, "%s/other/%s", loopback_directory(), names[i]);
        unlink(other);
    }
    rmdir(directory);
}

static bool shakes_hands(int port, int version, const char *protocols)
{
    SSL_CTX *context = client_context(NULL);
    struct raw raw = raw_connect(port);
    SSL *tls;
    bool done;

    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_cipher_list(context, "ALL");
    if (protocols != NULL)
        SSL_CTX_set_alpn_protos(context, (const unsigned char *)protocols,
                                (unsigned)strlen(protocols));
    tls = SSL_new(context);
    raw_start_tls(&raw, tls);
    done = SSL_is_init_finished(tls) == 1;
    raw_close(&raw);
    SSL_CTX_free(context);
    return done;
}

static void negotiate(struct loopback *server)
{
    EXPECT(!shakes_hands(server->port, TLS1_1_VERSION, NULL));
    EXPECT(shakes_hands(server->port, TLS1_2_VERSION, NULL));
    EXPECT(shakes_hands(server->port, TLS1_3_VERSION, NULL));
    EXPECT(shakes_hands(server->port, TLS1_3_VERSION, "\x02h2\x08http/1.1"));
    EXPECT(!shakes_hands(server->port, TLS1_2_VERSION, "\x02h2\x04smtp"));
}

TEST(tls_versions_and_protocols)
{
    struct loopback server;

    loopback_start(&server);
    loopback_run(&server, negotiate);
    loopback_end(&server);
}

/* Listening */

TEST(address_listens_and_names_problems)
{
    int descriptors[3];
    int other;
    char endpoint[ADDRESS_TEXT_SIZE];
    char problem[ADDRESS_PROBLEM_SIZE] = "";

    EXPECT(address_listen("127.0.0.1:0", descriptors, 3, problem));
    int port = address_port(descriptors[0]);
    EXPECT(port > 0 && address_port(descriptors[1]) == port &&
           address_port(descriptors[2]) == port);
    EXPECT((fcntl(descriptors[2], F_GETFL) & O_NONBLOCK) != 0);
    EXPECT((fcntl(descriptors[2], F_GETFD) & FD_CLOEXEC) != 0);
    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%d", port);
    EXPECT(!address_listen(endpoint, &other, 1, problem));
    EXPECT(strstr(problem, "another process listens there") != NULL);
    for (size_t i = 0; i < 3; i++)
        close(descriptors[i]);
    EXPECT(!address_listen("192.0.2.1:0", &other, 1, problem));
    EXPECT_TEXT(problem, "192.0.2.1:0: cannot listen: this machine has no such address; `ip "
                         "address` lists those it has");
}

TEST(address_spellings)
{
    static const char *const BAD[] = {
        "",        "1.2.3.4",  ":80",          "1.2.3.4:", "1.2.3.4:65536", "a:80", "::1:80",
        "[::1:80", "[::1]80x", "[1.2.3.4]:80", "[]:80",    "127.0.0.1:-1",  "::"};
    char problem[ADDRESS_PROBLEM_SIZE];
    int descriptor;

    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (address_listen(BAD[i], &descriptor, 1, problem))
            unit_failed(__FILE__, __LINE__, "\"%s\" was taken", BAD[i]);
}

static struct sockaddr_storage address_of(int family, const char *spelled)
{
    struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
    void *bytes = family == AF_INET ? (void *)&((struct sockaddr_in *)&address)->sin_addr
                                    : (void *)&((struct sockaddr_in6 *)&address)->sin6_addr;

    check(inet_pton(family, spelled, bytes) == 1);
    return address;
}

static void expect_address(int family, const char *spelled, const char *expected)
{
    struct sockaddr_storage address = address_of(family, spelled);
    char text[ADDRESS_TEXT_SIZE];

    address_write(&address, text);
    EXPECT_TEXT(text, expected);
}

TEST(address_writes)
{
    expect_address(AF_INET, "192.0.2.1", "192.0.2.1");
    expect_address(AF_INET6, "2001:db8::1", "2001:db8::1");
    expect_address(AF_INET6, "::ffff:192.0.2.1", "192.0.2.1");
}

static uint64_t key_of(int family, const char *spelled)
{
    struct sockaddr_storage address = address_of(family, spelled);

    return address_key(&address);
}

TEST(address_keys_tell_subscribers_apart)
{
    EXPECT(key_of(AF_INET, "192.0.2.1") == key_of(AF_INET6, "::ffff:192.0.2.1"));
    EXPECT(key_of(AF_INET, "192.0.2.1") != key_of(AF_INET, "192.0.2.2"));
    EXPECT(key_of(AF_INET6, "2001:db8::1") == key_of(AF_INET6, "2001:db8::ffff:0:0:1"));
    EXPECT(key_of(AF_INET6, "2001:db8::1") != key_of(AF_INET6, "2001:db8:0:1::1"));
    EXPECT(key_of(AF_INET6, "2001:db8::1") != key_of(AF_INET, "32.1.13.184")); /* the same bytes */
}

TEST(tally_counts)
{
    struct tally *tally = tally_new();

    for (uint64_t key = 0; key < 10000; key++) {
        EXPECT(tally_add(tally, key, 2));
        EXPECT(tally_add(tally, key, 2));
    }
    EXPECT(!tally_add(tally, 9999, 2));
    tally_remove(tally, 9999);
    EXPECT(tally_add(tally, 9999, 2));
    EXPECT(!tally_add(tally, 10000, 0));
    for (uint64_t key = 0; key < 5000; key++) {
        tally_remove(tally, key);
        tally_remove(tally, key);
    }
    EXPECT(tally_add(tally, 1, 1) && !tally_add(tally, 1, 1));
    tally_free(&tally);
    EXPECT(tally == NULL);
    tally_free(&tally);
}
