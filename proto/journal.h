/*
 * Double entry as text, for hledger and for beancount. Pure.
 *
 * Accounts are spelled as the ledger has them: "assets:receivable:lanhai". Amounts are whole cents,
 * debits positive. Both programs let a remainder of 0.004 pass at two decimals, so that an entry's
 * sum is zero is proved here, in exact numbers, before it is written.
 */
#ifndef PROTO_JOURNAL_H
#define PROTO_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buffer.h"

enum {
    JOURNAL_POSTINGS_LIMIT = 64,
    JOURNAL_ACCOUNT_SIZE = 256,
    JOURNAL_AMOUNT_DIGITS = 2, /* after the point */
};

struct journal_posting {
    const char *account, *amount, *currency;
};

struct journal_entry {
    const char *date; /* "2026-10-31" */
    const char *code; /* letters, digits and -: the invoice's number */
    const char *payee, *description;
    size_t count; /* at most JOURNAL_POSTINGS_LIMIT */
    const struct journal_posting *postings;
};

/* True when there are postings, every amount is a number of whole cents, and each currency's sum is
 * zero exactly. */
bool journal_balanced(const struct journal_entry *entry);

/* The account as beancount takes it, in ASCII: "Assets:Receivable:Lanhai". Two accounts never get
 * one name: _ becomes U. False when the account has no such spelling. */
bool journal_beancount_account(const char *account, char text[JOURNAL_ACCOUNT_SIZE]);

/* Declarations, which stand before the entries. hledger: */
void journal_write_commodity(struct buffer *buffer, const char *currency);
void journal_write_account(struct buffer *buffer, const char *account);
void journal_write_payee(struct buffer *buffer, const char *payee);
/* and beancount, with the day from which they hold: */
void journal_write_beancount_options(struct buffer *buffer, const char *title);
void journal_write_beancount_commodity(struct buffer *buffer, const char *date,
                                       const char *currency);
bool journal_write_beancount_open(struct buffer *buffer, const char *date, const char *account);

/* Entries. Nothing is written and false given back where the entry is not balanced or an account
 * cannot be spelled. */
bool journal_write_entry(struct buffer *buffer, const struct journal_entry *entry);
bool journal_write_beancount_entry(struct buffer *buffer, const struct journal_entry *entry);

#endif
