/* The packets were computed by another implementation (Python's hashlib and hmac). */
#include "proto/radius_packet.h"

#include "tests/unit/unit.h"

static const char secret_text[] = "xyzzy5461";

static const struct radius_disconnect line = {
    .identifier = 200,
    .time = 1446336000,
    .user_name = {"line1@lanhai", 12},
    .session_id = {"8155FA01", 8},
};

static const unsigned char request_bytes[] = {
    0x28, 0xc8, 0x00, 0x44, 0xa0, 0x13, 0x43, 0xaf, 0xeb, 0x67, 0xc3, 0xe4, 0xc5, 0x9d,
    0xdc, 0xbe, 0xd2, 0x82, 0x5a, 0xaa, 0x01, 0x0e, 0x6c, 0x69, 0x6e, 0x65, 0x31, 0x40,
    0x6c, 0x61, 0x6e, 0x68, 0x61, 0x69, 0x2c, 0x0a, 0x38, 0x31, 0x35, 0x35, 0x46, 0x41,
    0x30, 0x31, 0x37, 0x06, 0x56, 0x35, 0x56, 0x00, 0x50, 0x12, 0xe0, 0xeb, 0x9c, 0x15,
    0xa7, 0xc7, 0x68, 0x46, 0x27, 0x31, 0xb5, 0xe5, 0x63, 0x2d, 0x73, 0x63,
};

/* With Message-Authenticator. */
static const unsigned char ack_bytes[] = {
    0x29, 0xc8, 0x00, 0x26, 0x3c, 0xf1, 0xb9, 0xcd, 0xd4, 0xb4, 0x56, 0x14, 0x50,
    0xfa, 0xca, 0x10, 0x6d, 0xa2, 0x58, 0x37, 0x50, 0x12, 0xae, 0xda, 0x47, 0x20,
    0xd3, 0xf3, 0x14, 0x54, 0x8f, 0x56, 0x5a, 0x54, 0xb3, 0x22, 0x44, 0x0d,
};

/* Without it, with an Error-Cause. */
static const unsigned char nak_bytes[] = {
    0x2a, 0xc8, 0x00, 0x1a, 0xa9, 0xec, 0x7f, 0x62, 0x72, 0x3c, 0xab, 0x70, 0x05,
    0xb1, 0xa1, 0xf1, 0x31, 0x3c, 0x87, 0xee, 0x65, 0x06, 0x00, 0x00, 0x01, 0xf7,
};

/* A good authenticator over a wrong Message-Authenticator. */
static const unsigned char forged_bytes[] = {
    0x29, 0xc8, 0x00, 0x26, 0x6d, 0x8a, 0x26, 0x08, 0xeb, 0x2d, 0x53, 0x12, 0x43,
    0x4c, 0xbb, 0x6c, 0x77, 0xb9, 0x7b, 0x8f, 0x50, 0x12, 0x00, 0x01, 0x02, 0x03,
    0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
};

static enum radius_reply read_reply(const void *bytes, size_t length, uint32_t *cause)
{
    struct radius_packet request;

    EXPECT(radius_write_disconnect(&line, slice_of(secret_text), &request));
    return radius_read_reply((struct slice){bytes, length}, &request, slice_of(secret_text), cause);
}

TEST(radius_disconnect_is_as_computed_elsewhere)
{
    struct radius_packet packet;

    EXPECT(radius_write_disconnect(&line, slice_of(secret_text), &packet));
    EXPECT_NUMBER(packet.length, sizeof request_bytes);
    EXPECT(memcmp(packet.bytes, request_bytes, sizeof request_bytes) == 0);
}

TEST(radius_disconnect_limits_hold)
{
    char text[RADIUS_TEXT_LIMIT + 1];
    struct radius_packet packet;
    struct radius_disconnect request = {.session_id = {text, RADIUS_TEXT_LIMIT}};

    memset(text, 'a', sizeof text);
    EXPECT(radius_write_disconnect(&request, slice_of(secret_text), &packet));
    EXPECT(!radius_write_disconnect(&request, (struct slice){NULL, 0}, &packet));
    EXPECT(
        !radius_write_disconnect(&request, (struct slice){text, RADIUS_SECRET_LIMIT + 1}, &packet));
    request.session_id.length++;
    EXPECT(!radius_write_disconnect(&request, slice_of(secret_text), &packet));
    request.session_id.length = 0;
    EXPECT(!radius_write_disconnect(&request, slice_of(secret_text), &packet));
}

TEST(radius_reply_is_read)
{
    unsigned char padded[sizeof nak_bytes + 3] = {0};
    uint32_t cause = 1;

    EXPECT_NUMBER(read_reply(ack_bytes, sizeof ack_bytes, &cause), RADIUS_ACK);
    EXPECT_NUMBER(cause, 0);
    EXPECT_NUMBER(read_reply(nak_bytes, sizeof nak_bytes, &cause), RADIUS_NAK);
    EXPECT_NUMBER(cause, RADIUS_SESSION_NOT_FOUND);
    memcpy(padded, nak_bytes, sizeof nak_bytes);
    EXPECT_NUMBER(read_reply(padded, sizeof padded, &cause), RADIUS_NAK);
}

TEST(radius_reply_with_any_bit_changed_is_foreign)
{
    unsigned char changed[sizeof ack_bytes];
    uint32_t cause;

    for (size_t bit = 0; bit < 8 * sizeof changed; bit++) {
        memcpy(changed, ack_bytes, sizeof changed);
        changed[bit / 8] ^= (unsigned char)(1U << bit % 8);
        EXPECT_NUMBER(read_reply(changed, sizeof changed, &cause), RADIUS_FOREIGN);
    }
}

TEST(radius_reply_with_wrong_message_authenticator_is_foreign)
{
    uint32_t cause;

    EXPECT_NUMBER(read_reply(forged_bytes, sizeof forged_bytes, &cause), RADIUS_FOREIGN);
}

TEST(radius_reply_cut_is_foreign)
{
    uint32_t cause;

    for (size_t length = 0; length < sizeof ack_bytes; length++)
        EXPECT_NUMBER(read_reply(ack_bytes, length, &cause), RADIUS_FOREIGN);
}

TEST(radius_reply_of_random_bytes_is_foreign)
{
    unsigned char bytes[64];
    uint32_t cause;

    for (int i = 0; i < 1000; i++) {
        size_t length = unit_random_below(sizeof bytes + 1);
        for (size_t j = 0; j < length; j++)
            bytes[j] = (unsigned char)unit_random();
        if (length > 4) {
            bytes[0] = 41;
            bytes[1] = 200;
            bytes[2] = 0;
            bytes[3] = (unsigned char)length;
        }
        EXPECT_NUMBER(read_reply(bytes, length, &cause), RADIUS_FOREIGN);
    }
}
