#include "proto/http1.h"

#include "proto/http1_internal.h"

enum {
    SIZE_DIGITS_LIMIT = 15, /* of hexadecimal: 60 bits */
};

enum chunk_state {
    STATE_SIZE, /* zero: where a body begins */
    STATE_EXTENSION,
    STATE_SIZE_END,
    STATE_DATA,
    STATE_DATA_RETURN,
    STATE_DATA_END,
    STATE_TRAILER,
    STATE_TRAILER_NAME,
    STATE_TRAILER_VALUE,
    STATE_TRAILER_END,
    STATE_LAST_END,
    STATE_COMPLETE,
    STATE_BAD,
};

static enum chunk_state after_size(char character)
{
    if (character == '\r')
        return STATE_SIZE_END;
    return character == ';' ? STATE_EXTENSION : STATE_BAD;
}

static enum chunk_state take_size(struct http1_chunks *chunks, char character)
{
    int digit = http1_hex_value(character);

    if (digit < 0)
        return chunks->line_length == 1 ? STATE_BAD : after_size(character);
    if (chunks->line_length > SIZE_DIGITS_LIMIT)
        return STATE_BAD;
    chunks->remaining = chunks->remaining * 16 + (uint64_t)digit;
    return STATE_SIZE;
}

static enum chunk_state take_text(char character, enum chunk_state here, enum chunk_state end)
{
    if (character == '\r')
        return end;
    return http1_is_control(character) ? STATE_BAD : here;
}

static enum chunk_state take_trailer_name(enum chunk_state state, char character)
{
    if (state == STATE_TRAILER && character == '\r')
        return STATE_LAST_END;
    if (state == STATE_TRAILER_NAME && character == ':')
        return STATE_TRAILER_VALUE;
    return http1_is_token((struct slice){&character, 1}) ? STATE_TRAILER_NAME : STATE_BAD;
}

/* One byte of framing: all but the data. */
static enum chunk_state take_byte(struct http1_chunks *chunks, char character)
{
    switch ((enum chunk_state)chunks->state) {
    case STATE_SIZE:
        return take_size(chunks, character);
    case STATE_EXTENSION:
        return take_text(character, STATE_EXTENSION, STATE_SIZE_END);
    case STATE_SIZE_END:
        chunks->line_length = 0;
        if (character != '\n')
            return STATE_BAD;
        return chunks->remaining == 0 ? STATE_TRAILER : STATE_DATA;
    case STATE_DATA_RETURN:
        return character == '\r' ? STATE_DATA_END : STATE_BAD;
    case STATE_DATA_END:
        return character == '\n' ? STATE_SIZE : STATE_BAD;
    case STATE_TRAILER:
    case STATE_TRAILER_NAME:
        return take_trailer_name((enum chunk_state)chunks->state, character);
    case STATE_TRAILER_VALUE:
        return take_text(character, STATE_TRAILER_VALUE, STATE_TRAILER_END);
    case STATE_TRAILER_END:
        return character == '\n' ? STATE_TRAILER : STATE_BAD;
    case STATE_LAST_END:
        return character == '\n' ? STATE_COMPLETE : STATE_BAD;
    case STATE_DATA:
    case STATE_COMPLETE:
    case STATE_BAD:
        break;
    }
    return STATE_BAD;
}

static void take_data(struct http1_chunks *chunks, struct slice *input, struct buffer *body)
{
    size_t length = input->length;

    if (length > chunks->remaining)
        length = (size_t)chunks->remaining;
    buffer_append(body, input->data, length);
    input->data += length;
    input->length -= length;
    chunks->remaining -= length;
    if (chunks->remaining == 0)
        chunks->state = STATE_DATA_RETURN;
}

static bool over_limit(const struct http1_chunks *chunks)
{
    return chunks->line_length > HTTP1_CHUNK_LINE_LIMIT ||
           chunks->trailer_length > HTTP1_TRAILER_LIMIT;
}

static void take_framing(struct http1_chunks *chunks, struct slice *input)
{
    if (chunks->state <= STATE_EXTENSION)
        chunks->line_length++;
    else if (chunks->state >= STATE_TRAILER)
        chunks->trailer_length++;
    chunks->state = over_limit(chunks) ? STATE_BAD : (int)take_byte(chunks, *input->data);
    input->data++;
    input->length--;
}

enum http1_result http1_decode_chunks(struct http1_chunks *chunks, struct slice *input,
                                      struct buffer *body, struct http1_error *error)
{
    while (input->length > 0 && chunks->state < STATE_COMPLETE) {
        if (chunks->state == STATE_DATA)
            take_data(chunks, input, body);
        else
            take_framing(chunks, input);
    }
    if (chunks->state == STATE_COMPLETE)
        return HTTP1_COMPLETE;
    if (chunks->state != STATE_BAD)
        return HTTP1_INCOMPLETE;
    if (chunks->trailer_length > HTTP1_TRAILER_LIMIT)
        return http1_refuse(error, 431, "trailer_too_long");
    return http1_refuse(error, 400,
                        chunks->line_length > HTTP1_CHUNK_LINE_LIMIT ? "chunk_line_too_long"
                                                                     : "chunk_framing");
}
