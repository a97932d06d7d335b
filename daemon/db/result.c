#include <inttypes.h>
#include <stdlib.h>

#include "common/check.h"
#include "daemon/db/session.h"

/* -1 where there is no such row. */
static int column_of(const PGresult *result, int row, const char *column)
{
    if (row < 0 || row >= PQntuples(result))
        return -1;
    int number = PQfnumber(result, column);
    check(number >= 0);
    return number;
}

const char *result_text(const PGresult *result, int row, const char *column)
{
    int number = column_of(result, row, column);

    return number < 0 ? "" : PQgetvalue(result, row, number);
}

bool result_is_null(const PGresult *result, int row, const char *column)
{
    int number = column_of(result, row, column);

    return number < 0 || PQgetisnull(result, row, number) == 1;
}

int64_t result_number(const PGresult *result, int row, const char *column)
{
    const char *text = result_text(result, row, column);
    char *end;
    int64_t number = strtoimax(text, &end, 10);

    check(*end == '\0');
    return number;
}
