#include "proto/message.h"

enum { NUMBER_BYTES = 8, LENGTH_BYTES = 2 };

struct writer {
    char *bytes;
    size_t length;
};

static void write_integer(struct writer *writer, uint64_t value, unsigned bytes)
{
    while (bytes-- > 0)
        writer->bytes[writer->length++] = (char)(unsigned char)(value >> (8 * bytes));
}

static void write_text(struct writer *writer, struct slice text)
{
    write_integer(writer, text.length, LENGTH_BYTES);
    if (text.length > 0)
        memcpy(writer->bytes + writer->length, text.data, text.length);
    writer->length += text.length;
}

static bool read_integer(struct slice *bytes, unsigned count, uint64_t *value)
{
    if (bytes->length < count)
        return false;
    *value = 0;
    for (unsigned i = 0; i < count; i++)
        *value = *value << 8 | (unsigned char)bytes->data[i];
    *bytes = (struct slice){bytes->data + count, bytes->length - count};
    return true;
}

static bool read_text(struct slice *bytes, size_t limit, struct slice *text)
{
    uint64_t length;

    if (!read_integer(bytes, LENGTH_BYTES, &length) || length > limit || length > bytes->length)
        return false;
    *text = (struct slice){bytes->data, length};
    *bytes = (struct slice){bytes->data + length, bytes->length - length};
    return true;
}

size_t message_write_request(const struct message_request *request, char bytes[MESSAGE_SIZE])
{
    struct writer writer = {bytes, 0};

    if (request->password.length > MESSAGE_PASSWORD_LIMIT ||
        request->hash.length > MESSAGE_HASH_LIMIT)
        return 0;
    write_integer(&writer, (uint64_t)request->kind, 1);
    write_integer(&writer, request->number, NUMBER_BYTES);
    write_integer(&writer, (uint64_t)request->deadline, NUMBER_BYTES);
    write_text(&writer, request->password);
    write_text(&writer, request->hash);
    return writer.length;
}

size_t message_write_answer(const struct message_answer *answer, char bytes[MESSAGE_SIZE])
{
    struct writer writer = {bytes, 0};

    if (answer->hash.length > MESSAGE_HASH_LIMIT)
        return 0;
    write_integer(&writer, (uint64_t)answer->outcome, 1);
    write_integer(&writer, answer->number, NUMBER_BYTES);
    write_text(&writer, answer->hash);
    return writer.length;
}

bool message_read_request(struct slice bytes, struct message_request *request)
{
    uint64_t kind, deadline;

    if (!read_integer(&bytes, 1, &kind) || kind < MESSAGE_HASH || kind > MESSAGE_VERIFY ||
        !read_integer(&bytes, NUMBER_BYTES, &request->number) ||
        !read_integer(&bytes, NUMBER_BYTES, &deadline) || deadline > INT64_MAX ||
        !read_text(&bytes, MESSAGE_PASSWORD_LIMIT, &request->password) ||
        !read_text(&bytes, MESSAGE_HASH_LIMIT, &request->hash))
        return false;
    request->kind = (enum message_kind)kind;
    request->deadline = (int64_t)deadline;
    return bytes.length == 0 && (request->hash.length > 0) == (kind == MESSAGE_VERIFY);
}

bool message_read_answer(struct slice bytes, struct message_answer *answer)
{
    uint64_t outcome;

    if (!read_integer(&bytes, 1, &outcome) || outcome < MESSAGE_DONE || outcome > MESSAGE_FAILED ||
        !read_integer(&bytes, NUMBER_BYTES, &answer->number) ||
        !read_text(&bytes, MESSAGE_HASH_LIMIT, &answer->hash))
        return false;
    answer->outcome = (enum message_outcome)outcome;
    return bytes.length == 0;
}
