/*
 * journal.hledger and journal.beancount: what the ledger names, then its entries.
 */
#include "daemon/exports/export_writer.h"

#include <stdio.h>
#include <string.h>

#include "proto/journal.h"
#include "statements.h"

enum { NAMES, ENTRIES }; /* the queries */

/* The values of a row: of a name; of an entry. */
enum { WHAT, NAME, NAME_VALUES };
enum { POSTED_ON, NUMBER, INVOICE_NUMBER, PAYEE, DESCRIPTION, POSTINGS, ENTRY_VALUES };

static const char *const name_columns[NAME_VALUES] = {[WHAT] = "what", [NAME] = "name"};
static const char *const entry_columns[ENTRY_VALUES] = {
    [POSTED_ON] = "posted_on", [NUMBER] = "number",           [INVOICE_NUMBER] = "invoice_number",
    [PAYEE] = "payee",         [DESCRIPTION] = "description", [POSTINGS] = "postings",
};

static size_t columns(size_t query, const char *names[EXPORT_COLUMNS_LIMIT])
{
    if (query == NAMES)
        memcpy(names, name_columns, sizeof name_columns);
    else
        memcpy(names, entry_columns, sizeof entry_columns);
    return query == NAMES ? (size_t)NAME_VALUES : (size_t)ENTRY_VALUES;
}

static struct buffer *hledger(struct export_set *set)
{
    return &set->files[EXPORT_FIRST_FILE].pending;
}

static struct buffer *beancount(struct export_set *set)
{
    return &set->files[EXPORT_SECOND_FILE].pending;
}

static void begin(struct export_set *set)
{
    buffer_append_format(hledger(set), "; %s\ndecimal-mark .\n", set->title);
    journal_write_beancount_options(beancount(set), set->title);
}

static bool refuse_account(struct export_set *set, const char *account)
{
    char problem[EXPORT_PROBLEM_SIZE];

    snprintf(problem, sizeof problem, "The account %.200s cannot be named in beancount.", account);
    return export_refuse(set, problem);
}

static bool write_name(struct export_set *set, const char *what, const char *name)
{
    if (strcmp(what, "commodity") == 0) {
        journal_write_commodity(hledger(set), name);
        journal_write_beancount_commodity(beancount(set), set->first_day, name);
    } else if (strcmp(what, "account") == 0) {
        journal_write_account(hledger(set), name);
        if (!journal_write_beancount_open(beancount(set), set->first_day, name))
            return refuse_account(set, name);
    } else {
        journal_write_payee(hledger(set), name);
    }
    return true;
}

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Revenue and output tax are credits, which are negative. */
static void add_posting(struct export_set *set, const struct journal_posting *posting)
{
    struct number *sum = starts(posting->account, "revenue:")                      ? &set->net
                         : strcmp(posting->account, "liabilities:vat-output") == 0 ? &set->tax
                                                                                   : NULL;
    struct number amount;

    if (sum == NULL)
        return;
    number_start(&amount);
    export_add(&amount, posting->amount);
    number_subtract(sum, sum, &amount);
    number_end(&amount);
}

static size_t read_postings(const json_t *list,
                            struct journal_posting postings[JOURNAL_POSTINGS_LIMIT])
{
    size_t count = json_array_size(list);

    for (size_t i = 0; i < count && i < JOURNAL_POSTINGS_LIMIT; i++) {
        const json_t *posting = json_array_get(list, i);
        postings[i].account = json_string_value(json_array_get(posting, 0));
        postings[i].amount = json_string_value(json_array_get(posting, 1));
        postings[i].currency = json_string_value(json_array_get(posting, 2));
    }
    return count;
}

static bool write_entry(struct export_set *set, const char *const *values)
{
    json_t *list = json_loads(values[POSTINGS], 0, NULL);
    struct journal_posting postings[JOURNAL_POSTINGS_LIMIT];
    struct journal_entry entry = {
        .date = values[POSTED_ON],
        .code = values[INVOICE_NUMBER],
        .payee = values[PAYEE],
        .description = values[DESCRIPTION],
        .count = read_postings(list, postings),
        .postings = postings,
    };
    char problem[EXPORT_PROBLEM_SIZE];
    bool good = journal_write_entry(hledger(set), &entry) &&
                journal_write_beancount_entry(beancount(set), &entry);

    for (size_t i = 0; good && i < entry.count; i++)
        add_posting(set, &postings[i]);
    json_decref(list);
    if (good)
        return true;
    snprintf(problem, sizeof problem,
             "The ledger's entry %s is not balanced, or has an account that cannot be named.",
             values[NUMBER]);
    return export_refuse(set, problem);
}

static bool take(struct export_set *set, size_t query, const char *const *values)
{
    if (query == NAMES)
        return write_name(set, values[WHAT], values[NAME]);
    set->files[EXPORT_FIRST_FILE].rows++;
    set->files[EXPORT_SECOND_FILE].rows++;
    return write_entry(set, values);
}

const struct export_format export_journal_format = {
    .name = "journal",
    .files = {{"journal.hledger", "text/plain; charset=utf-8"},
              {"journal.beancount", "text/plain; charset=utf-8"}},
    .queries =
        {[NAMES] = &statement_export_journal_names, [ENTRIES] = &statement_export_journal_rows},
    .columns = columns,
    .of_ledger = true,
    .begin = begin,
    .take = take,
};
