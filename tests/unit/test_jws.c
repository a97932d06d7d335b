#include "proto/jws.h"

#include "common/digest.h"
#include "tests/unit/unit.h"

/* The key of RFC 8037, A.1. */
static const char PRIVATE_KEY[] =
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
static const char KEY_ID[] = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

static void example_key(unsigned char key[SIGNATURE_KEY_SIZE],
                        unsigned char public_key[SIGNATURE_KEY_SIZE])
{
    EXPECT(hex_read(slice_of(PRIVATE_KEY), key, SIGNATURE_KEY_SIZE));
    signature_public_key(key, public_key);
}

TEST(jws_base64url_of_known_texts)
{
    static const struct {
        const char *bytes, *text;
    } vectors[] = {/* RFC 4648, 10, without padding */
                   {"", ""},
                   {"f", "Zg"},
                   {"fo", "Zm8"},
                   {"foo", "Zm9v"},
                   {"foob", "Zm9vYg"},
                   {"fooba", "Zm9vYmE"},
                   {"foobar", "Zm9vYmFy"},
                   {"\xff\xef\xbe", "_---"},
                   {"\x03\xec\xff\xe0\xc1", "A-z_4ME"}}; /* RFC 7515, C */
    struct arena *arena = arena_new();

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        EXPECT_TEXT(jws_base64url(arena, slice_of(vectors[i].bytes)), vectors[i].text);
    arena_free(&arena);
}

TEST(jws_of_rfc_8037)
{
    static const char INPUT[] = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    unsigned char key[SIGNATURE_KEY_SIZE], public_key[SIGNATURE_KEY_SIZE];
    unsigned char signature[SIGNATURE_SIZE];
    struct arena *arena = arena_new();

    example_key(key, public_key);
    EXPECT_TEXT(jws_base64url(arena, (struct slice){(char *)public_key, sizeof public_key}),
                "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    EXPECT_TEXT(jws_key_id(arena, public_key), KEY_ID); /* A.3 */
    signature_make(key, slice_of(INPUT), signature);    /* A.4 */
    EXPECT_TEXT(jws_compact(arena, INPUT, signature),
                "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
                "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_"
                "MuM0KAg");
    arena_free(&arena);
}

TEST(jws_key_names_itself)
{
    unsigned char key[SIGNATURE_KEY_SIZE], public_key[SIGNATURE_KEY_SIZE];
    struct arena *arena = arena_new();

    example_key(key, public_key);
    json_t *set = jws_key(arena, public_key);
    char *text = json_dumps(set, JSON_COMPACT | JSON_SORT_KEYS);
    EXPECT_TEXT(text, "{\"alg\":\"EdDSA\",\"crv\":\"Ed25519\","
                      "\"kid\":\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\",\"kty\":\"OKP\","
                      "\"use\":\"sig\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}");
    free(text);
    json_decref(set);
    arena_free(&arena);
}

TEST(jws_signing_input_is_canonical)
{
    struct arena *arena = arena_new();
    json_t *one = json_pack("{s:s, s:i}", "sub", "a", "exp", 1);
    json_t *other = json_pack("{s:i, s:s}", "exp", 1, "sub", "a");

    EXPECT_TEXT(jws_signing_input(arena, "k", one),
                "eyJhbGciOiJFZERTQSIsImtpZCI6ImsiLCJ0eXAiOiJKV1QifQ." /* alg, kid, typ */
                "eyJleHAiOjEsInN1YiI6ImEifQ");                        /* exp, sub */
    EXPECT_TEXT(jws_signing_input(arena, "k", other), jws_signing_input(arena, "k", one));
    json_decref(one);
    json_decref(other);
    arena_free(&arena);
}
