#include "daemon/terminals/label.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

enum { PAGE_LIMIT = 4 * 1024 * 1024, PROPERTY_ROUNDS = 200, TAG_SIZE = 65, SHEETS = 3 };

static const char *const names[SHEETS] = {"a4_3x8", "a4_2x7", "single"};

static struct buffer page(const char *sheet, enum label_symbology symbology,
                          const struct label *labels, size_t count)
{
    struct buffer buffer = buffer_make(PAGE_LIMIT);
    size_t failed = SIZE_MAX;

    EXPECT(label_page_write(&buffer, label_sheet_find(sheet), symbology, labels, count, &failed));
    EXPECT(!buffer_overflowed(&buffer) && failed == SIZE_MAX);
    return buffer;
}

TEST(label_sheets_fit_their_page)
{
    for (size_t i = 0; i < SHEETS; i++) {
        const struct label_sheet *sheet = label_sheet_find(names[i]);
        int columns = (int)sheet->columns - 1, rows = (int)sheet->rows - 1;
        EXPECT(sheet->left + columns * sheet->column_pitch + sheet->label_width <= sheet->width);
        EXPECT(sheet->top + rows * sheet->row_pitch + sheet->label_height <= sheet->height);
        EXPECT(sheet->label_width <= sheet->column_pitch);
        EXPECT(sheet->label_height <= sheet->row_pitch);
    }
    EXPECT(label_sheet_find("a5") == NULL);
}

TEST(label_pages_are_counted)
{
    const struct label_sheet *sheet = label_sheet_find("a4_2x7");

    EXPECT_NUMBER(label_sheet_capacity(sheet), 14);
    EXPECT_NUMBER(label_sheet_pages(sheet, 1), 1);
    EXPECT_NUMBER(label_sheet_pages(sheet, 14), 1);
    EXPECT_NUMBER(label_sheet_pages(sheet, 15), 2);
    EXPECT_NUMBER(label_sheet_pages(label_sheet_find("single"), 200), 200);
}

TEST(label_text_is_escaped_and_fits)
{
    const struct label label = {.asset_tag = "A-1", .model = "<M&\xef\xbf\xbe>"};
    struct buffer buffer = page("single", LABEL_QR, &label, 1);

    EXPECT(strstr(buffer.data, ">A-1</text>") != NULL);
    EXPECT(strstr(buffer.data, ">&lt;M&amp;\xef\xbf\xbd&gt;</text>") != NULL);
    buffer_free(&buffer);
}

TEST(label_tag_too_long_for_bars_is_told)
{
    char tag[TAG_SIZE];
    struct label labels[2] = {{.asset_tag = "short", .model = "m"},
                              {.asset_tag = tag, .model = "m"}};
    struct buffer buffer = buffer_make(PAGE_LIMIT);
    size_t failed = 0;

    memset(tag, 'a', sizeof tag - 1);
    tag[sizeof tag - 1] = '\0';
    EXPECT(
        !label_page_write(&buffer, label_sheet_find("a4_3x8"), LABEL_CODE128, labels, 2, &failed));
    EXPECT_NUMBER(failed, 1);
    buffer_free(&buffer);
}

/* Every dark part of every symbol lies within its label, quiet zones and text included. */
static void expect_within(const struct label_sheet *sheet, const char *svg)
{
    const char *path = svg;

    while ((path = strstr(path, "<path d=\"")) != NULL)
        for (path += strlen("<path d=\""); *path == 'M';) {
            char *end;
            long x = strtol(path + 1, &end, 10), y = strtol(end, &end, 10);
            long width = strtol(end + 1, &end, 10), height = strtol(end + 1, &end, 10);
            EXPECT(x >= sheet->left && x + width <= sheet->width && width > 0);
            EXPECT(y >= sheet->top && y + height <= sheet->height && height > 0);
            path = strchr(end, 'z') + 1;
        }
}

TEST(label_property_parts_lie_on_the_page)
{
    static const char letters[] = "ABCXYZabcxyz0123456789._/-";

    for (int round = 0; round < PROPERTY_ROUNDS; round++) {
        char tag[TAG_SIZE];
        size_t length = 1 + unit_random_below(60);
        for (size_t i = 0; i < length; i++)
            tag[i] = letters[unit_random_below(sizeof letters - 1)];
        tag[length] = '\0';
        const char *name = names[unit_random_below(SHEETS)];
        struct label label = {.asset_tag = tag, .model = "云终端"};
        struct buffer buffer =
            page(name, unit_random_below(2) == 0 ? LABEL_CODE128 : LABEL_QR, &label, 1);
        expect_within(label_sheet_find(name), buffer.data);
        buffer_free(&buffer);
    }
}
