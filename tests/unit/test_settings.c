#include "daemon/process/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/unit/unit.h"

/* Sets one option over the defaults and checks; the problem, or "" when there is none. */
static const char *problem_with(const char *first, const char *second)
{
    static char problem[OPTION_PROBLEM_SIZE];
    struct settings settings = {0};
    bool good;

    problem[0] = '\0';
    good = settings_override(first, problem) &&
           (second == NULL || settings_override(second, problem)) &&
           settings_read(&settings, NULL, problem) && settings_check(&settings, problem);
    settings_free(&settings);
    settings_override_none();
    EXPECT(good == (problem[0] == '\0'));
    EXPECT(strchr(problem, '\n') == NULL);
    return problem;
}

static bool says(const char *problem, const char *part)
{
    return strstr(problem, part) != NULL;
}

TEST(settings_defaults_are_good)
{
    struct settings settings;
    char problem[OPTION_PROBLEM_SIZE] = "";

    EXPECT(settings_read(&settings, NULL, problem));
    EXPECT(settings_check(&settings, problem));
    EXPECT_TEXT(problem, "");
    EXPECT_TEXT(settings.time_zone, "Asia/Shanghai");
    EXPECT_TEXT(settings.certificate, "/var/lib/bccd/tls/server.pem");
    EXPECT_TEXT(settings.master_key_file, "/var/lib/bccd/master.key");
    EXPECT(settings_made(&settings, settings.certificate, SETTINGS_CERTIFICATE));
    EXPECT(!settings_made(&settings, "/etc/server.pem", SETTINGS_CERTIFICATE));
    EXPECT_NUMBER(settings_log_level(&settings), LOG_LEVEL_INFO);
    settings_free(&settings);
}

TEST(settings_table_is_whole)
{
    for (const struct option *option = settings_table; option->name != NULL; option++) {
        EXPECT(option->prose != NULL && option->prose[strlen(option->prose) - 1] == '.');
        EXPECT(option->fallback != NULL);
        EXPECT(option->minimum <= option->maximum);
        for (const struct option *other = settings_table; other < option; other++)
            EXPECT(strcmp(option->name, other->name) != 0 && option->offset != other->offset);
    }
}

TEST(settings_wrong_values_are_named)
{
    EXPECT(says(problem_with("listen_address=localhost", NULL), "listen_address = localhost"));
    EXPECT(says(problem_with("metrics_port=8443", NULL), "metrics_port = 8443"));
    EXPECT(says(problem_with("time_zone=Asia/Atlantis", NULL), "time_zone = Asia/Atlantis"));
    EXPECT(says(problem_with("time_zone=../../etc/passwd", NULL), "time_zone"));
    EXPECT(says(problem_with("public_url=http://cloud.example", NULL), "public_url"));
    EXPECT(says(problem_with("public_url=https://cloud.example/x", NULL), "without a path"));
    EXPECT(says(problem_with("session_time=300", NULL), "session_idle_time"));
    EXPECT(says(problem_with("log_level=quiet", NULL), "log_level"));
    EXPECT(says(problem_with("workers=65", NULL), "workers"));
    EXPECT(says(problem_with("no_such_option=1", NULL), "no_such_option"));
    EXPECT(says(problem_with("listen_port", NULL), "NAME=VALUE"));
}

TEST(settings_same_port_on_other_addresses_is_good)
{
    EXPECT_TEXT(problem_with("listen_address=192.0.2.1", "metrics_port=8443"), "");
    EXPECT_TEXT(problem_with("client_listen_port=0", "metrics_port=0"), "");
    EXPECT_TEXT(problem_with("public_url=https://cloud.example:8443", NULL), "");
}

TEST(settings_certificate_needs_its_key)
{
    EXPECT(says(problem_with("certificate=/etc/hostname", NULL), "set certificate_key"));
    EXPECT(says(problem_with("certificate_key=/etc/hostname", NULL), "set certificate to"));
    EXPECT(says(problem_with("certificate=/nowhere/a.pem", "certificate_key=/nowhere/a.key"),
                "certificate = /nowhere/a.pem"));
    EXPECT(says(problem_with("master_key_file=/nowhere/key", NULL), "master_key_file"));
}

TEST(settings_database_problem_hides_the_password)
{
    const char *problem = problem_with("database=postgresql://bccd:s3cret@[::1/x", NULL);

    EXPECT(says(problem, "database"));
    EXPECT(!says(problem, "s3cret"));
    EXPECT_TEXT(problem_with("database=postgresql://db.example/bccd", NULL), "");
    EXPECT_TEXT(problem_with("database=host=db.example dbname=bccd", NULL), "");
}

TEST(settings_override_goes_over_the_file)
{
    char path[] = P_tmpdir "/settings-XXXXXX", problem[OPTION_PROBLEM_SIZE];
    struct settings settings;
    int file = mkstemp(path);

    EXPECT(file >= 0 && dprintf(file, "listen_port = 1000\nworkers = 3\n") > 0);
    close(file);
    EXPECT(settings_override("listen_port=2000", problem));
    EXPECT(settings_read(&settings, path, problem));
    EXPECT_NUMBER(settings.listen_port, 2000);
    EXPECT_NUMBER(settings.workers, 3);
    settings_free(&settings);
    settings_override_none();
    unlink(path);
    EXPECT(!settings_read(&settings, path, problem));
    EXPECT(says(problem, path));
    settings_free(&settings);
}
