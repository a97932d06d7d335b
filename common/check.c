#include "common/check.h"

#include <stdlib.h>

#include "common/log.h"

void check_failed(const char *expression, const char *file, int line)
{
    log_error("check-failed", log_text("expression", expression), log_text("file", file),
              log_number("line", line));
    abort();
}
