#include "proto/message.h"

#include "tests/unit/unit.h"

static struct slice some(char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)('!' + unit_random_below(90));
    return (struct slice){bytes, length};
}

TEST(message_request_comes_back)
{
    char bytes[MESSAGE_SIZE], password[MESSAGE_PASSWORD_LIMIT], hash[MESSAGE_HASH_LIMIT];
    struct message_request read;

    for (int i = 0; i < 200; i++) {
        struct message_request request = {
            .kind = i % 2 == 0 ? MESSAGE_VERIFY : MESSAGE_HASH,
            .number = unit_random(),
            .deadline = (int64_t)(unit_random() >> 1),
            .password = some(password, unit_random_below(MESSAGE_PASSWORD_LIMIT + 1)),
        };
        if (request.kind == MESSAGE_VERIFY)
            request.hash = some(hash, 1 + unit_random_below(MESSAGE_HASH_LIMIT));
        size_t length = message_write_request(&request, bytes);
        EXPECT(length > 0 && length <= sizeof bytes);
        EXPECT(message_read_request((struct slice){bytes, length}, &read));
        EXPECT_NUMBER(read.kind, request.kind);
        EXPECT(read.number == request.number && read.deadline == request.deadline);
        EXPECT(slice_equal(read.password, request.password));
        EXPECT(slice_equal(read.hash, request.hash));
    }
}

TEST(message_request_cut_or_longer_is_refused)
{
    char bytes[MESSAGE_SIZE + 1] = "";
    struct message_request request = {.kind = MESSAGE_VERIFY,
                                      .number = 7,
                                      .password = slice_of("correct horse"),
                                      .hash = slice_of("$argon2id$")};
    size_t length = message_write_request(&request, bytes);

    for (size_t cut = 0; cut < length; cut++)
        EXPECT(!message_read_request((struct slice){bytes, cut}, &request));
    EXPECT(!message_read_request((struct slice){bytes, length + 1}, &request));
    EXPECT(message_read_request((struct slice){bytes, length}, &request));
}

TEST(message_request_limits_hold)
{
    char bytes[MESSAGE_SIZE], text[MESSAGE_PASSWORD_LIMIT + 1];
    struct message_request request = {.kind = MESSAGE_HASH,
                                      .password = some(text, MESSAGE_PASSWORD_LIMIT)};

    EXPECT(message_write_request(&request, bytes) > 0);
    request.password.length++;
    EXPECT_NUMBER(message_write_request(&request, bytes), 0);
    request.password.length = 1;
    request.hash = (struct slice){text, MESSAGE_HASH_LIMIT + 1};
    EXPECT_NUMBER(message_write_request(&request, bytes), 0);
}

TEST(message_request_with_too_long_a_password_is_refused)
{
    char bytes[MESSAGE_SIZE + 1] = "", text[MESSAGE_PASSWORD_LIMIT];
    struct message_request request = {.kind = MESSAGE_HASH,
                                      .password = some(text, MESSAGE_PASSWORD_LIMIT)};
    size_t length = message_write_request(&request, bytes);

    EXPECT(message_read_request((struct slice){bytes, length}, &request));
    bytes[18]++; /* of the password's length, whose high byte stands before it */
    EXPECT(!message_read_request((struct slice){bytes, length + 1}, &request));
}

TEST(message_request_kind_and_hash_belong_together)
{
    char bytes[MESSAGE_SIZE];
    struct message_request request = {.kind = MESSAGE_VERIFY, .password = slice_of("x")};
    size_t length = message_write_request(&request, bytes);

    EXPECT(!message_read_request((struct slice){bytes, length}, &request));
    bytes[0] = 3;
    EXPECT(!message_read_request((struct slice){bytes, length}, &request));
    bytes[0] = MESSAGE_HASH;
    EXPECT(message_read_request((struct slice){bytes, length}, &request));
}

TEST(message_answer_comes_back)
{
    char bytes[MESSAGE_SIZE];
    struct message_answer answer = {
        .outcome = MESSAGE_DONE, .number = UINT64_MAX - 1, .hash = slice_of("$argon2id$v=19$...")};
    struct message_answer read;
    size_t length = message_write_answer(&answer, bytes);

    EXPECT(message_read_answer((struct slice){bytes, length}, &read));
    EXPECT_NUMBER(read.outcome, MESSAGE_DONE);
    EXPECT(read.number == answer.number && slice_equal(read.hash, answer.hash));
    for (size_t cut = 0; cut < length; cut++)
        EXPECT(!message_read_answer((struct slice){bytes, cut}, &read));
    bytes[0] = 4;
    EXPECT(!message_read_answer((struct slice){bytes, length}, &read));
}
