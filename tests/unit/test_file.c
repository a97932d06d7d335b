#include "common/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/unit.h"

enum { PATH_SIZE = 256 };

static struct {
    char directory[PATH_SIZE], path[PATH_SIZE + 16], fresh[PATH_SIZE + 16];
    bool watched, renamed; /* the directory was synced, when the file had its new name */
} place;

/* In the C library's place: notes what is synced. */
int fsync(int file)
{
    struct stat status, directory, fresh;

    if (place.watched && fstat(file, &status) == 0 && stat(place.directory, &directory) == 0 &&
        status.st_ino == directory.st_ino)
        place.renamed = stat(place.fresh, &fresh) != 0;
    return (int)syscall(SYS_fsync, file);
}

static void place_open(void)
{
    const char *parent = getenv("TMPDIR");

    memset(&place, 0, sizeof place);
    snprintf(place.directory, sizeof place.directory, "%s/bccd-file-XXXXXX",
             parent == NULL ? P_tmpdir : parent);
    EXPECT(mkdtemp(place.directory) != NULL);
    snprintf(place.path, sizeof place.path, "%s/key", place.directory);
    snprintf(place.fresh, sizeof place.fresh, "%s/key.new", place.directory);
    place.watched = true;
}

static void place_close(void)
{
    place.watched = false;
    unlink(place.path);
    EXPECT(rmdir(place.directory) == 0);
}

static void expect_file(const char *text, mode_t mode)
{
    char data[PATH_SIZE], problem[PATH_SIZE];
    size_t length = 0;
    struct stat status;

    EXPECT(file_read(place.path, data, sizeof data, &length, problem, sizeof problem));
    EXPECT(slice_is((struct slice){data, length}, text));
    EXPECT(stat(place.path, &status) == 0);
    EXPECT_NUMBER(status.st_mode & 07777, mode);
}

TEST(file_is_replaced_whole)
{
    place_open();
    EXPECT(file_replace(place.path, slice_of("one"), 0600));
    expect_file("one", 0600);
    EXPECT(symlink("/nowhere/else", place.fresh) == 0); /* of one that crashed, or worse */
    EXPECT(file_replace(place.path, slice_of("two and more"), 0644));
    expect_file("two and more", 0644);
    EXPECT(!file_replace("/nowhere/file", slice_of("x"), 0600));
    place_close();
}

TEST(file_is_read_within_its_size)
{
    char data[4], problem[PATH_SIZE];
    size_t length = 0;

    place_open();
    EXPECT(file_replace(place.path, slice_of("1234"), 0600));
    EXPECT(file_read(place.path, data, sizeof data, &length, problem, sizeof problem));
    EXPECT_NUMBER(length, 4);
    EXPECT(!file_read(place.path, data, sizeof data - 1, &length, problem, sizeof problem));
    EXPECT(strstr(problem, "larger than 3 bytes") != NULL);
    EXPECT(!file_read(place.fresh, data, sizeof data, &length, problem, sizeof problem));
    EXPECT(strstr(problem, "No such file") != NULL);
    place_close();
}

/* The master key's name was not on the disk yet when the first secret was sealed with it. */
TEST(bug_0030_a_new_key_outlives_a_crash)
{
    place_open();
    EXPECT(file_replace(place.path, slice_of("key"), 0600));
    EXPECT(place.renamed);
    place_close();
}
