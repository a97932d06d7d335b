#include "daemon/identity/password_policy.h"

#include <stddef.h>

#include "daemon/http/hasher_client.h"
#include "proto/json.h"

/* The most common ones that are long enough to pass otherwise. */
static const char *const common_passwords[] = {
    "0123456789",  "0987654321",    "1111111111",   "1122334455",       "123123123123",
    "1234512345",  "1234567890",    "12345678900",  "123456789a",       "123456789abc",
    "1234567891",  "12345678910",   "1q2w3e4r5t",   "1q2w3e4r5t6y",     "1qaz2wsx3edc",
    "9876543210",  "a123456789",    "aa123456789",  "abc123456789",     "abcd123456",
    "abcdefghij",  "admin12345",    "admin123456",  "administrator",    "asdfghjkl;",
    "changeme123", "iloveyou123",   "letmein123",   "password01",       "password10",
    "password12",  "password123",   "password1234", "passwordpassword", "q1w2e3r4t5",
    "qq123456789", "qwer123456",    "qwerty1234",   "qwerty12345",      "qwerty123456",
    "qwertyuiop",  "qwertyuiop123", "welcome123",   "woaini1314520",    "woaini520520",
};

static bool is_common(struct slice password)
{
    for (size_t i = 0; i < sizeof common_passwords / sizeof common_passwords[0]; i++)
        if (slice_is_caseless(password, common_passwords[i]))
            return true;
    return false;
}

bool password_acceptable(struct slice password, const char *email)
{
    return json_characters(password) >= PASSWORD_MINIMUM_CHARACTERS &&
           password.length <= PASSWORD_LIMIT && !slice_is_caseless(password, email) &&
           !is_common(password);
}
