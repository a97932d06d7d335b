#include "daemon/billing/drafts.h"

#include <string.h>

#include "common/identifier.h"
#include "common/memory.h"
#include "daemon/db/array.h"
#include "statements.h"

/* Bytes of lines, some of which may have thousands of steps, that wait to be stored. */
enum { LINES_AT_ONCE = 4 * 1024 * 1024 };

/* The parameters of insert_draft_lines that have an element a line, and of insert_draft_credits. */
enum {
    TENANT_ID,
    LINE,
    QUANTITY,
    BILLED_QUANTITY,
    UNIT_AMOUNT,
    AMOUNT,
    NET,
    TAX,
    PRICE,
    STEPS,
    OF_CHARGE, /* from here on as the row has it, under its name */
    COLUMNS = OF_CHARGE + 15
};
enum { CREDIT_TENANT_ID, CREDIT_LINE, CREDIT_RESOURCE_ID, PERCENT, FACTS, CREDIT_COLUMNS };

static const char *const columns[COLUMNS] = {
    [TENANT_ID] = "tenant_id",
    [LINE] = "line",
    [QUANTITY] = "quantity",
    [BILLED_QUANTITY] = "billed_quantity",
    [UNIT_AMOUNT] = "unit_amount",
    [AMOUNT] = "amount",
    [NET] = "net",
    [TAX] = "tax",
    [PRICE] = "price",
    [STEPS] = "steps",
    [OF_CHARGE] = "kind",
    "correction_of",
    "resource_id",
    "offering_id",
    "plan_id",
    "plan_version",
    "charge_code",
    "description",
    "description_en",
    "meter_id",
    "service_starts_at",
    "service_ends_at",
    "unit",
    "tax_category",
    "tax_rate",
};
static const char *const credit_columns[CREDIT_COLUMNS] = {
    [CREDIT_TENANT_ID] = "tenant_id",
    [CREDIT_LINE] = "line",
    [CREDIT_RESOURCE_ID] = "resource_id",
    [PERCENT] = "percent",
    [FACTS] = "facts",
};

struct drafts {
    struct session *session;
    const char *tenants, *period;
    size_t lines, credits; /* that wait */
    struct buffer columns[COLUMNS], credit_columns[CREDIT_COLUMNS];
};

static void begin_all(struct buffer *arrays, size_t count)
{
    for (size_t i = 0; i < count; i++)
        arrays[i] = array_begin();
}

static void free_all(struct buffer *arrays, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_free(&arrays[i]);
}

static void run_for_all(struct drafts *drafts, const struct statement *statement)
{
    PQclear(session_run_named(drafts->session, statement, "tenants", drafts->tenants, "period",
                              drafts->period, NULL));
}

struct drafts *drafts_open(struct session *session, const char *tenants, size_t count,
                           const char *period, const char *run_id)
{
    struct drafts *drafts = memory_allocate(1, sizeof *drafts);
    struct buffer ids = array_begin();
    char id[IDENTIFIER_SIZE];

    drafts->session = session;
    drafts->tenants = tenants;
    drafts->period = period;
    begin_all(drafts->columns, COLUMNS);
    begin_all(drafts->credit_columns, CREDIT_COLUMNS);
    for (size_t i = 0; i < count; i++) {
        identifier_make("inv", id);
        array_add_text(&ids, id);
    }
    buffer_append_text(&ids, "}");
    PQclear(session_run_named(session, &statement_plan_by_index, NULL));
    PQclear(session_run_named(session, &statement_open_drafts, "tenants", tenants, "ids", ids.data,
                              "period", period, "run_id", run_id, NULL));
    buffer_free(&ids);
    run_for_all(drafts, &statement_drop_draft_lines);
    return drafts;
}

/* The array of a parameter; the month, which is none, where there is no such one. */
static const char *value_of(struct drafts *drafts, const char *name, const char *const *names,
                            struct buffer *arrays, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return arrays[i].data;
    return drafts->period;
}

static void insert(struct drafts *drafts, const struct statement *statement,
                   const char *const *names, struct buffer *arrays, size_t count)
{
    const char *values[STATEMENT_PARAMETERS_LIMIT];

    for (size_t i = 0; i < count; i++)
        buffer_append_text(&arrays[i], "}");
    for (size_t i = 0; i < statement->parameter_count; i++)
        values[i] = value_of(drafts, statement->parameters[i], names, arrays, count);
    PQclear(session_run(drafts->session, statement, values));
    free_all(arrays, count);
    begin_all(arrays, count);
}

static void store_waiting(struct drafts *drafts)
{
    if (drafts->lines > 0)
        insert(drafts, &statement_insert_draft_lines, columns, drafts->columns, COLUMNS);
    if (drafts->credits > 0)
        insert(drafts, &statement_insert_draft_credits, credit_columns, drafts->credit_columns,
               CREDIT_COLUMNS);
    drafts->lines = drafts->credits = 0;
}

static void add_document(struct buffer *array, const json_t *document)
{
    char *text = document == NULL ? NULL : json_dumps(document, JSON_COMPACT);

    array_add_optional(array, text);
    free(text);
}

static void add_credit(struct drafts *drafts, const char *tenant, int64_t number,
                       const struct account_line *item)
{
    struct buffer *arrays = drafts->credit_columns;

    array_add_text(&arrays[CREDIT_TENANT_ID], tenant);
    array_add_number(&arrays[CREDIT_LINE], number);
    array_add_text(&arrays[CREDIT_RESOURCE_ID], account_text(item, "resource_id"));
    array_add_text(&arrays[PERCENT], item->percent);
    add_document(&arrays[FACTS], item->credit);
    drafts->credits++;
}

bool drafts_add(struct drafts *drafts, const char *tenant, int64_t number,
                const struct account_line *item)
{
    const struct line *line = &item->line;
    struct buffer *arrays = drafts->columns;

    array_add_text(&arrays[TENANT_ID], tenant);
    array_add_number(&arrays[LINE], number);
    array_add_text(&arrays[QUANTITY], line->quantity);
    array_add_text(&arrays[BILLED_QUANTITY], line->billed_quantity);
    array_add_optional(&arrays[UNIT_AMOUNT],
                       line->unit_amount[0] == '\0' ? NULL : line->unit_amount);
    array_add_text(&arrays[AMOUNT], line->amount);
    array_add_text(&arrays[NET], line->net);
    array_add_text(&arrays[TAX], line->tax);
    add_document(&arrays[PRICE], json_object_get(item->charge, "price"));
    add_document(&arrays[STEPS], line->steps);
    for (size_t i = OF_CHARGE; i < COLUMNS; i++)
        array_add_optional(&arrays[i], account_text(item, columns[i]));
    drafts->lines++;
    if (item->credit != NULL)
        add_credit(drafts, tenant, number, item);
    if (arrays[STEPS].length > LINES_AT_ONCE)
        store_waiting(drafts);
    return !session_failed(drafts->session);
}

void drafts_store(struct drafts *drafts, bool finalize)
{
    store_waiting(drafts);
    run_for_all(drafts, &statement_total_drafts);
    if (finalize)
        run_for_all(drafts, &statement_finalize_drafts);
}

void drafts_end(struct drafts **drafts)
{
    struct drafts *old = *drafts;

    if (old == NULL)
        return;
    free_all(old->columns, COLUMNS);
    free_all(old->credit_columns, CREDIT_COLUMNS);
    memory_free(old);
    *drafts = NULL;
}
