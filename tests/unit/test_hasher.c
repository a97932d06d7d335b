/* The client against a hasher of the test's own, and the hashes themselves. */
#include "daemon/http/hasher_client.h"

#include <event2/event.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/process/password.h"
#include "proto/message.h"
#include "tests/unit/unit.h"

enum { TIMEOUT = 1000, QUEUE = 4, ANSWERS_LIMIT = 16 };

static struct {
    size_t count;
    uint64_t numbers[ANSWERS_LIMIT];
    enum hasher_outcome outcomes[ANSWERS_LIMIT];
    char hash[PASSWORD_HASH_SIZE];
} answers;

static void note(uint64_t number, enum hasher_outcome outcome, const char *hash)
{
    if (answers.count == ANSWERS_LIMIT)
        return;
    answers.numbers[answers.count] = number;
    answers.outcomes[answers.count++] = outcome;
    snprintf(answers.hash, sizeof answers.hash, "%s", hash == NULL ? "" : hash);
}

struct stage {
    struct event_base *base;
    struct hasher_client *client;
    int ends[2];
};

static struct stage stage_open(void)
{
    struct stage stage = {.base = event_base_new()};

    memset(&answers, 0, sizeof answers);
    EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, stage.ends) == 0);
    stage.client = hasher_client_new(stage.base, stage.ends[0], TIMEOUT, QUEUE, note);
    return stage;
}

static void stage_close(struct stage *stage)
{
    hasher_client_free(&stage->client);
    event_base_free(stage->base);
    close(stage->ends[0]);
    close(stage->ends[1]);
}

/* Until so many answers have come; each comes by its deadline at the latest. */
static void turn(struct stage *stage, size_t count)
{
    while (answers.count < count && event_base_loop(stage->base, EVLOOP_ONCE) == 0)
        continue;
    EXPECT_NUMBER(answers.count, count);
}

static struct message_request hear(struct stage *stage, char bytes[MESSAGE_SIZE])
{
    struct message_request request = {0};
    ssize_t length = recv(stage->ends[1], bytes, MESSAGE_SIZE, MSG_DONTWAIT);

    EXPECT(length > 0 && message_read_request((struct slice){bytes, (size_t)length}, &request));
    return request;
}

static void say(struct stage *stage, uint64_t number, enum message_outcome outcome,
                const char *hash)
{
    struct message_answer answer = {outcome, number, slice_of(hash)};
    char bytes[MESSAGE_SIZE];
    size_t length = message_write_answer(&answer, bytes);

    EXPECT(send(stage->ends[1], bytes, length, 0) == (ssize_t)length);
}

TEST(hasher_client_gets_its_answers)
{
    struct stage stage = stage_open();
    char bytes[MESSAGE_SIZE];

    hasher_client_verify(stage.client, slice_of("secret"), "$argon2id$x", 11);
    hasher_client_hash(stage.client, slice_of("other"), 12);
    struct message_request first = hear(&stage, bytes);
    EXPECT(slice_is(first.password, "secret") && slice_is(first.hash, "$argon2id$x"));
    struct message_request second = hear(&stage, bytes);
    EXPECT(slice_is(second.password, "other") && second.kind == MESSAGE_HASH);
    say(&stage, second.number, MESSAGE_DONE, "$argon2id$y");
    say(&stage, first.number, MESSAGE_WRONG, NULL);
    turn(&stage, 2);
    EXPECT(answers.numbers[0] == 12 && answers.outcomes[0] == HASHER_DONE);
    EXPECT(answers.numbers[1] == 11 && answers.outcomes[1] == HASHER_WRONG);
    stage_close(&stage);
}

TEST(hasher_client_gives_up_at_the_deadline)
{
    struct stage stage = stage_open();
    char bytes[MESSAGE_SIZE];

    hasher_client_hash(stage.client, slice_of("slow"), 5);
    uint64_t number = hear(&stage, bytes).number;
    turn(&stage, 1);
    EXPECT(answers.numbers[0] == 5 && answers.outcomes[0] == HASHER_UNAVAILABLE);
    say(&stage, number, MESSAGE_DONE, "$argon2id$late");
    event_base_loop(stage.base, EVLOOP_ONCE);
    EXPECT_NUMBER(answers.count, 1);
    stage_close(&stage);
}

TEST(hasher_client_bounds_its_queue)
{
    struct stage stage = stage_open();
    char bytes[MESSAGE_SIZE];

    for (uint64_t i = 0; i < QUEUE + 2; i++)
        hasher_client_hash(stage.client, slice_of("many"), i);
    EXPECT_NUMBER(answers.count, 0); /* never from within the call */
    for (int i = 0; i < QUEUE; i++)
        hear(&stage, bytes);
    EXPECT(recv(stage.ends[1], bytes, sizeof bytes, MSG_DONTWAIT) < 0);
    turn(&stage, 2);
    EXPECT(answers.outcomes[0] == HASHER_UNAVAILABLE && answers.numbers[0] == QUEUE);
    stage_close(&stage);
}

TEST(hasher_client_ignores_answers_to_others)
{
    struct stage first = stage_open(), second;
    char bytes[MESSAGE_SIZE];

    hasher_client_verify(first.client, slice_of("right"), "$argon2id$x", 1);
    uint64_t number = hear(&first, bytes).number;
    /* The worker crashed and was started again on the same socket. */
    second = first;
    second.base = event_base_new();
    second.client = hasher_client_new(second.base, second.ends[0], TIMEOUT, QUEUE, note);
    hasher_client_verify(second.client, slice_of("wrong"), "$argon2id$x", 1);
    EXPECT(hear(&second, bytes).number != number);
    say(&second, number, MESSAGE_DONE, NULL);
    turn(&second, 1);
    EXPECT(answers.outcomes[0] == HASHER_UNAVAILABLE);
    hasher_client_free(&second.client);
    event_base_free(second.base);
    stage_close(&first);
}

TEST(password_hash_is_verified)
{
    char hash[PASSWORD_HASH_SIZE], again[PASSWORD_HASH_SIZE];

    EXPECT(password_hash(slice_of("correct horse"), hash));
    EXPECT(strncmp(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31) == 0);
    EXPECT(password_hash(slice_of("correct horse"), again));
    EXPECT(strcmp(hash, again) != 0);
    EXPECT_NUMBER(password_verify(slice_of("correct horse"), hash), HASHER_DONE);
    EXPECT_NUMBER(password_verify(slice_of("correct horsf"), hash), HASHER_WRONG);
    EXPECT_NUMBER(password_verify(slice_of("x"), "$2y$10$bcrypt"), HASHER_UNAVAILABLE);
    EXPECT_NUMBER(password_verify(slice_of("x"), ""), HASHER_UNAVAILABLE);
}
