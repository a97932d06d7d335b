#include "proto/journal.h"

#include <stdio.h>

#include "common/number.h"
#include "common/slice.h"

static const struct {
    const char *ledger, *beancount;
} roots[] = {
    {"assets", "Assets"},  {"liabilities", "Liabilities"}, {"equity", "Equity"},
    {"revenue", "Income"}, {"expenses", "Expenses"},
};

/* ---- The proof ---- */

static bool add_amounts(const struct journal_entry *entry, const char *currency, struct number *sum)
{
    struct number amount;
    bool good = true;

    number_start(&amount);
    for (size_t i = 0; good && i < entry->count; i++) {
        const struct journal_posting *posting = &entry->postings[i];
        good = number_parse_stored(&amount, slice_of(posting->amount)) &&
               number_ends_within(&amount, JOURNAL_AMOUNT_DIGITS);
        if (good && strcmp(posting->currency, currency) == 0)
            number_add(sum, sum, &amount);
    }
    number_end(&amount);
    return good;
}

bool journal_balanced(const struct journal_entry *entry)
{
    bool balanced = entry->count > 0 && entry->count <= JOURNAL_POSTINGS_LIMIT;

    for (size_t i = 0; balanced && i < entry->count; i++) {
        struct number sum;
        number_start(&sum);
        balanced = add_amounts(entry, entry->postings[i].currency, &sum) && number_sign(&sum) == 0;
        number_end(&sum);
    }
    return balanced;
}

/* ---- Spelling ---- */

/* One line of text: what would end it, or begin a comment or a note in hledger, and quotation marks
 * are put otherwise; blanks do not follow each other, and none stands at an end. */
static void write_words(struct buffer *buffer, const char *text)
{
    bool blank = false, any = false;

    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte <= ' ' || byte == 0x7f) {
            blank = any;
            continue;
        }
        if (blank)
            buffer_append_character(buffer, ' ');
        blank = false;
        any = true;
        buffer_append_character(buffer, byte == ';'    ? ','
                                        : byte == '|'  ? '/'
                                        : byte == '"'  ? '\''
                                        : byte == '\\' ? '/'
                                                       : *text);
    }
    if (!any)
        buffer_append_character(buffer, '-');
}

static bool is_plain(char character)
{
    return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9');
}

/* A part of an account below its root. */
static bool append_part(struct slice part, char text[JOURNAL_ACCOUNT_SIZE], size_t *length)
{
    if (part.length == 0 || !is_plain(part.data[0]) ||
        part.length + 2 > JOURNAL_ACCOUNT_SIZE - *length)
        return false;
    text[(*length)++] = ':';
    for (size_t i = 0; i < part.length; i++) {
        char character = part.data[i];
        if (!is_plain(character) && character != '-' && character != '_')
            return false;
        if (i == 0 && character >= 'a')
            character = (char)(character - 'a' + 'A');
        text[(*length)++] = character == '_' ? 'U' : character;
    }
    return true;
}

bool journal_beancount_account(const char *account, char text[JOURNAL_ACCOUNT_SIZE])
{
    struct slice rest = slice_of(account), part;
    size_t length = 0;

    if (!slice_split(&rest, ':', &part))
        return false;
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++)
        if (slice_is(part, roots[i].ledger))
            length = (size_t)snprintf(text, JOURNAL_ACCOUNT_SIZE, "%s", roots[i].beancount);
    if (length == 0)
        return false;
    while (slice_split(&rest, ':', &part))
        if (!append_part(part, text, &length))
            return false;
    if (!append_part(rest, text, &length))
        return false;
    text[length] = '\0';
    return true;
}

/* ---- Declarations ---- */

void journal_write_commodity(struct buffer *buffer, const char *currency)
{
    buffer_append_format(buffer, "commodity 1000.00 %s\n", currency);
}

void journal_write_account(struct buffer *buffer, const char *account)
{
    buffer_append_format(buffer, "account %s\n", account);
}

void journal_write_payee(struct buffer *buffer, const char *payee)
{
    buffer_append_text(buffer, "payee ");
    write_words(buffer, payee);
    buffer_append_character(buffer, '\n');
}

void journal_write_beancount_options(struct buffer *buffer, const char *title)
{
    buffer_append_text(buffer, "option \"title\" \"");
    write_words(buffer, title);
    buffer_append_text(buffer, "\"\n");
}

void journal_write_beancount_commodity(struct buffer *buffer, const char *date,
                                       const char *currency)
{
    buffer_append_format(buffer, "%s commodity %s\n", date, currency);
}

bool journal_write_beancount_open(struct buffer *buffer, const char *date, const char *account)
{
    char text[JOURNAL_ACCOUNT_SIZE];
    bool good = journal_beancount_account(account, text);

    if (good)
        buffer_append_format(buffer, "%s open %s\n", date, text);
    return good;
}

/* ---- Entries ---- */

bool journal_write_entry(struct buffer *buffer, const struct journal_entry *entry)
{
    if (!journal_balanced(entry))
        return false;
    buffer_append_format(buffer, "\n%s * (%s) ", entry->date, entry->code);
    write_words(buffer, entry->payee);
    buffer_append_text(buffer, " | ");
    write_words(buffer, entry->description);
    buffer_append_character(buffer, '\n');
    for (size_t i = 0; i < entry->count; i++)
        buffer_append_format(buffer, "    %s  %s %s\n", entry->postings[i].account,
                             entry->postings[i].amount, entry->postings[i].currency);
    return true;
}

static bool accounts_spellable(const struct journal_entry *entry)
{
    char text[JOURNAL_ACCOUNT_SIZE];

    for (size_t i = 0; i < entry->count; i++)
        if (!journal_beancount_account(entry->postings[i].account, text))
            return false;
    return true;
}

bool journal_write_beancount_entry(struct buffer *buffer, const struct journal_entry *entry)
{
    char text[JOURNAL_ACCOUNT_SIZE];

    if (!journal_balanced(entry) || !accounts_spellable(entry))
        return false;
    buffer_append_format(buffer, "\n%s * \"", entry->date);
    write_words(buffer, entry->payee);
    buffer_append_text(buffer, "\" \"");
    write_words(buffer, entry->description);
    buffer_append_format(buffer, "\" ^%s\n", entry->code);
    for (size_t i = 0; i < entry->count; i++) {
        journal_beancount_account(entry->postings[i].account, text);
        buffer_append_format(buffer, "  %s  %s %s\n", text, entry->postings[i].amount,
                             entry->postings[i].currency);
    }
    return true;
}
