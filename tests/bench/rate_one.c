/* How long it takes to rate one line: a graduated price of five tiers, read before, and a quantity
 * that enters all of them; the amount, and the working that explains it. Prints microseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/rating/price.h"

enum { LINES = 200000, BILLION = 1000000000 };

static const char document[] =
    "{\"model\":\"graduated\",\"tiers\":[{\"up_to\":\"1000\",\"unit_amount\":\"0.05\"},"
    "{\"up_to\":\"10000\",\"unit_amount\":\"0.04\"},{\"up_to\":\"50000\",\"unit_amount\":\"0.03\"},"
    "{\"up_to\":\"100000\",\"unit_amount\":\"0.025\"},{\"up_to\":null,\"unit_amount\":\"0.02\"}]}";

static long long nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * BILLION + now.tv_nsec;
}

int main(void)
{
    json_t *text = json_loads(document, 0, NULL);
    struct price_error error;
    struct price *price = price_read(text, &error);
    struct price_result result;
    struct number quantity;

    if (price == NULL)
        return EXIT_FAILURE;
    number_start(&quantity);
    number_parse(&quantity, slice_of("123456.789"));
    long long started = nanoseconds();
    for (int i = 0; i < LINES; i++) {
        price_quantity(price, &quantity, &result);
        price_result_end(&result);
    }
    long long each = (nanoseconds() - started) / LINES;
    printf("%lld.%03lld\n", each / 1000, each % 1000);
    number_end(&quantity);
    price_free(&price);
    json_decref(text);
    return EXIT_SUCCESS;
}
