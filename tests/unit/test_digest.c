#include "common/digest.h"

#include "tests/unit/unit.h"

TEST(sha256_of_known_texts)
{
    char hex[SHA256_HEX_SIZE];
    unsigned char whole[SHA256_SIZE], parts[SHA256_SIZE];

    sha256_hex(slice_of(NULL), hex);
    EXPECT_TEXT(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex(slice_of("abc"), hex); /* FIPS 180-4 */
    EXPECT_TEXT(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct sha256 *digest = sha256_new();
    sha256_add(digest, "a", 1);
    sha256_add(digest, NULL, 0);
    sha256_add(digest, "bc", 2);
    sha256_finish(&digest, parts);
    EXPECT(digest == NULL);
    sha256_of(slice_of("abc"), whole);
    EXPECT(memcmp(whole, parts, sizeof whole) == 0);
}

TEST(hmac_of_known_texts)
{
    unsigned char result[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];

    hmac_sha256(slice_of("Jefe"), slice_of("what do ya want for nothing?"), result); /* RFC 4231 */
    hex_write(result, sizeof result, hex);
    EXPECT_TEXT(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    hmac_sha256(slice_of(NULL), slice_of(NULL), result);
    hex_write(result, sizeof result, hex);
    EXPECT_TEXT(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(hkdf_of_known_keys)
{
    unsigned char key[22], result[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];

    memset(key, 0x0b, sizeof key); /* RFC 5869, A.3 */
    hkdf_sha256((struct slice){(char *)key, sizeof key}, slice_of(NULL), result);
    hex_write(result, sizeof result, hex);
    EXPECT_TEXT(hex, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    hkdf_sha256((struct slice){(char *)key, sizeof key}, slice_of("purpose"), result);
    hex_write(result, sizeof result, hex);
    EXPECT_TEXT(hex, "19c9ccdf2abe136b1f8fd655e313f893a7882f4678bdcad5332b1e4c2b508e1d");
}

TEST(hex_reads_exactly)
{
    unsigned char bytes[2] = {0};

    EXPECT(hex_read(slice_of("0aFf"), bytes, 2));
    EXPECT(bytes[0] == 0x0a && bytes[1] == 0xff);
    EXPECT(!hex_read(slice_of("0aF"), bytes, 2));
    EXPECT(!hex_read(slice_of("0aF"), bytes, 1));
    EXPECT(!hex_read(slice_of("0aFf00"), bytes, 2));
    EXPECT(!hex_read(slice_of("0ag0"), bytes, 2));
    EXPECT(!hex_read(slice_of("0a0g"), bytes, 2));
    EXPECT(!hex_read(slice_of("0a 0"), bytes, 2));
}

TEST(crc32_of_the_check_text)
{
    EXPECT_NUMBER(crc32_of(slice_of("123456789")), 0xcbf43926);
    EXPECT_NUMBER(crc32_of(slice_of(NULL)), 0);
}

TEST(secret_equal_compares_all)
{
    EXPECT(secret_equal(slice_of("abc"), slice_of("abc")));
    EXPECT(secret_equal(slice_of(NULL), slice_of("")));
    EXPECT(!secret_equal(slice_of("abc"), slice_of("abd")));
    EXPECT(!secret_equal(slice_of("abc"), slice_of("ab")));
    EXPECT(!secret_equal(slice_of("ab"), slice_of("abc")));
}

TEST(key_is_well_formed)
{
    char key[KEY_TEXT_LENGTH + 1], other[KEY_TEXT_LENGTH + 1];

    /* The CRC-32 was worked out apart. */
    EXPECT(key_well_formed(slice_of("bcc_0000000000000000000000000000000039povK")));
    EXPECT(key_well_formed(slice_of("bcc_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef0BlTbl")));
    key_make(key);
    key_make(other);
    EXPECT_NUMBER(strlen(key), KEY_TEXT_LENGTH);
    EXPECT(key_well_formed(slice_of(key)));
    EXPECT(strcmp(key, other) != 0);
    EXPECT(!key_well_formed((struct slice){key, KEY_TEXT_LENGTH - 1}));
    for (size_t i = 0; i < KEY_TEXT_LENGTH; i++) {
        char kept = key[i];
        key[i] = kept == 'x' ? 'y' : 'x';
        EXPECT(!key_well_formed(slice_of(key)));
        key[i] = kept;
    }
    EXPECT(!key_well_formed(slice_of("bcc_-00000000000000000000000000000003qtYqt")));
}

/* Each digit turns up 4129 times on average, with a standard deviation of 64; one of two digits
 * that a bare remainder favours would turn up 5000 times. */
TEST(key_digits_are_fair)
{
    enum { KEYS = 8000, DIGITS = 32 };
    unsigned count[128] = {0};
    char key[KEY_TEXT_LENGTH + 1];

    for (int i = 0; i < KEYS; i++) {
        key_make(key);
        for (size_t j = 4; j < 4 + DIGITS; j++)
            count[(unsigned char)key[j] & 127]++;
    }
    for (const char *digit = "09AMZamz"; *digit != '\0'; digit++)
        EXPECT(count[(unsigned char)*digit] > 3700 && count[(unsigned char)*digit] < 4560);
}
