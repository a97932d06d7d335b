/*
 * Certificates for those who have none yet: an authority of our own, a server's, a client's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "common/buffer.h"
#include "common/check.h"
#include "common/file.h"
#include "daemon/net/tls.h"

enum {
    SERIAL_BYTES = 16,
    NAMES_LIMIT = 8192,      /* of all alternative names, spelled */
    NAME_LIMIT = 253,        /* of a host name */
    COMMON_NAME_LIMIT = 64,  /* ub-common-name of RFC 5280 */
    BACKDATED_SECONDS = 300, /* for clients whose clock is late */
    VERSION_3 = 2,
};

struct pair {
    X509 *certificate;
    EVP_PKEY *key;
};

static void pair_free(struct pair *pair)
{
    X509_free(pair->certificate);
    EVP_PKEY_free(pair->key);
    *pair = (struct pair){0};
}

static void add_extension(X509 *certificate, const X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, (X509 *)(uintptr_t)issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    check(extension != NULL);
    check(X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static void set_serial(X509 *certificate)
{
    unsigned char bytes[SERIAL_BYTES];
    BIGNUM *number;

    check(RAND_bytes(bytes, sizeof bytes) == 1);
    bytes[0] &= 0x7f; /* positive */
    bytes[0] |= 0x40;
    number = BN_bin2bn(bytes, sizeof bytes, NULL);
    check(number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL);
    BN_free(number);
}

/* A new P-256 key and a certificate for it, without extensions, not yet signed. */
static struct pair make_pair(const char *common_name, int days)
{
    struct pair pair = {.certificate = X509_new(), .key = EVP_EC_gen("P-256")};
    X509_NAME *name;

    check(pair.certificate != NULL && pair.key != NULL);
    check(X509_set_version(pair.certificate, VERSION_3) == 1);
    set_serial(pair.certificate);
    check(X509_gmtime_adj(X509_getm_notBefore(pair.certificate), -BACKDATED_SECONDS) != NULL);
    check(X509_time_adj_ex(X509_getm_notAfter(pair.certificate), days, 0, NULL) != NULL);
    check(X509_set_pubkey(pair.certificate, pair.key) == 1);
    name = X509_get_subject_name(pair.certificate);
    check(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                     -1, -1, 0) == 1);
    return pair;
}

static void sign(struct pair *pair, const struct pair *authority)
{
    add_extension(pair->certificate, authority->certificate, NID_subject_key_identifier, "hash");
    add_extension(pair->certificate, authority->certificate, NID_authority_key_identifier,
                  "keyid:always");
    check(X509_set_issuer_name(pair->certificate, X509_get_subject_name(authority->certificate)) ==
          1);
    check(X509_sign(pair->certificate, authority->key, EVP_sha256()) > 0);
}

static struct pair make_authority(void)
{
    struct pair pair = make_pair("bccd private authority", TLS_AUTHORITY_DAYS);

    add_extension(pair.certificate, pair.certificate, NID_basic_constraints,
                  "critical,CA:TRUE,pathlen:0");
    add_extension(pair.certificate, pair.certificate, NID_key_usage, "critical,keyCertSign");
    sign(&pair, &pair);
    return pair;
}

static struct pair make_leaf(const char *common_name, const char *usage, const char *names,
                             const struct pair *authority)
{
    struct pair pair = make_pair(common_name, TLS_SERVER_DAYS);

    add_extension(pair.certificate, authority->certificate, NID_basic_constraints,
                  "critical,CA:FALSE");
    add_extension(pair.certificate, authority->certificate, NID_key_usage,
                  "critical,digitalSignature");
    add_extension(pair.certificate, authority->certificate, NID_ext_key_usage, usage);
    if (names != NULL)
        add_extension(pair.certificate, authority->certificate, NID_subject_alt_name, names);
    sign(&pair, authority);
    return pair;
}

/* Files */

static bool path_write(char path[PATH_MAX], const char *directory, const char *name,
                       const char *ending, char *problem)
{
    int length = snprintf(path, PATH_MAX, "%s/%s.%s", directory, name, ending);

    if (length > 0 && length < PATH_MAX)
        return true;
    snprintf(problem, TLS_PROBLEM_SIZE, "the directory's path is longer than %d bytes", PATH_MAX);
    return false;
}

static bool write_file(const char *path, BIO *text, mode_t mode, char *problem)
{
    char *data = NULL;
    long length = BIO_get_mem_data(text, &data);

    if (file_replace(path, (struct slice){data, (size_t)length}, mode))
        return true;
    snprintf(problem, TLS_PROBLEM_SIZE, "%s: cannot be written: %s; give a directory that we own",
             path, strerror(errno));
    return false;
}

static bool write_pair(const char *directory, const char *name, const struct pair *pair,
                       char *problem)
{
    char certificate_path[PATH_MAX];
    char key_path[PATH_MAX];
    BIO *certificate = BIO_new(BIO_s_mem());
    BIO *key = BIO_new(BIO_s_secmem());
    bool written;

    check(certificate != NULL && key != NULL);
    check(PEM_write_bio_X509(certificate, pair->certificate) == 1);
    check(PEM_write_bio_PrivateKey(key, pair->key, NULL, NULL, 0, NULL, NULL) == 1);
    written = path_write(certificate_path, directory, name, "pem", problem) &&
              path_write(key_path, directory, name, "key", problem) &&
              write_file(key_path, key, 0600, problem) &&
              write_file(certificate_path, certificate, 0644, problem);
    BIO_free(certificate);
    BIO_free(key);
    return written;
}

static bool read_authority(const char *directory, struct pair *pair, char *problem)
{
    char certificate_path[PATH_MAX];
    char key_path[PATH_MAX];
    BIO *certificate;
    BIO *key;

    if (!path_write(certificate_path, directory, "ca", "pem", problem) ||
        !path_write(key_path, directory, "ca", "key", problem))
        return false;
    certificate = BIO_new_file(certificate_path, "r");
    key = BIO_new_file(key_path, "r");
    if (certificate != NULL && key != NULL) {
        pair->certificate = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
        pair->key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
    }
    BIO_free(certificate);
    BIO_free(key);
    ERR_clear_error();
    if (pair->certificate != NULL && pair->key != NULL &&
        X509_check_private_key(pair->certificate, pair->key) == 1)
        return true;
    pair_free(pair);
    snprintf(problem, TLS_PROBLEM_SIZE,
             "%s: no ca.pem and ca.key of one authority; have them made first", directory);
    return false;
}

/* Names */

static bool is_host_name(const char *name)
{
    for (const char *at = name; *at != '\0'; at++)
        if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
              (*at >= '0' && *at <= '9') || *at == '.' || *at == '-' || *at == '*'))
            return false;
    return *name != '\0' && strlen(name) <= NAME_LIMIT;
}

static bool is_address(const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

static bool is_common_name(const char *name)
{
    for (const char *at = name; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            return false;
    return *name != '\0' && strlen(name) <= COMMON_NAME_LIMIT;
}

static bool write_names(struct buffer *text, const char *const *names, size_t count, char *problem)
{
    buffer_append_text(text, "DNS:localhost,IP:127.0.0.1,IP:::1");
    for (size_t i = 0; i < count; i++) {
        if (!is_address(names[i]) && !is_host_name(names[i])) {
            snprintf(
                problem, TLS_PROBLEM_SIZE,
                "\"%.*s\": no host name and no address; names are letters, digits, '-' and '.'",
                NAME_LIMIT, names[i]);
            return false;
        }
        buffer_append_format(text, ",%s:%s", is_address(names[i]) ? "IP" : "DNS", names[i]);
    }
    if (buffer_overflowed(text))
        snprintf(problem, TLS_PROBLEM_SIZE, "too many names for one certificate; leave some out");
    return !buffer_overflowed(text);
}

bool tls_make_certificate(const char *directory, const char *const *names, size_t count,
                          char problem[TLS_PROBLEM_SIZE])
{
    struct buffer text = buffer_make(NAMES_LIMIT);
    bool made = false;

    if (write_names(&text, names, count, problem)) {
        struct pair authority = make_authority();
        struct pair server = make_leaf("bccd", "serverAuth", text.data, &authority);
        made = write_pair(directory, "ca", &authority, problem) &&
               write_pair(directory, "server", &server, problem);
        pair_free(&server);
        pair_free(&authority);
    }
    buffer_free(&text);
    return made;
}

bool tls_issue_client(const char *directory, const char *name, const char *common_name,
                      char problem[TLS_PROBLEM_SIZE])
{
    struct pair authority = {0};
    struct pair client;
    bool made;

    if (!is_common_name(common_name)) {
        snprintf(problem, TLS_PROBLEM_SIZE, "\"%.*s\": a common name has 1 to %d ASCII characters",
                 COMMON_NAME_LIMIT, common_name, COMMON_NAME_LIMIT);
        return false;
    }
    if (!read_authority(directory, &authority, problem))
        return false;
    client = make_leaf(common_name, "clientAuth", NULL, &authority);
    made = write_pair(directory, name, &client, problem);
    pair_free(&client);
    pair_free(&authority);
    return made;
}
