/*
 * journal.hledger and journal.beancount: what the ledger names, then its entries.
 */
#include "daemon/exports/export_writer.h"

#include <stdio.h>
#include <string.h>

#include "proto/journal.h"
#include "statements.h"

enum { NAMES, ENTRIES }; /* the cursors */

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

static bool write_entry(struct export_set *set, const PGresult *rows, int row)
{
    json_t *list = json_loads(result_text(rows, row, "postings"), 0, NULL);
    struct journal_posting postings[JOURNAL_POSTINGS_LIMIT];
    struct journal_entry entry = {
        .date = result_text(rows, row, "posted_on"),
        .code = result_text(rows, row, "invoice_number"),
        .payee = result_text(rows, row, "payee"),
        .description = result_text(rows, row, "description"),
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
             result_text(rows, row, "number"));
    return export_refuse(set, problem);
}

static bool take(struct export_set *set, size_t cursor, const PGresult *rows)
{
    bool good = true;

    for (int row = 0; good && row < PQntuples(rows); row++) {
        if (cursor == NAMES) {
            good = write_name(set, result_text(rows, row, "what"), result_text(rows, row, "name"));
            continue;
        }
        good = write_entry(set, rows, row);
        set->files[EXPORT_FIRST_FILE].rows++;
        set->files[EXPORT_SECOND_FILE].rows++;
    }
    return good;
}

const struct export_format export_journal_format = {
    .name = "journal",
    .files = {{"journal.hledger", "text/plain; charset=utf-8"},
              {"journal.beancount", "text/plain; charset=utf-8"}},
    .cursors = {[NAMES] = {&statement_declare_journal_names, EXPORT_FETCH("export_names")},
                [ENTRIES] = {&statement_declare_journal_rows, EXPORT_FETCH("export_rows")}},
    .of_ledger = true,
    .begin = begin,
    .take = take,
};
