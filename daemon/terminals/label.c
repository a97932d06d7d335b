#include "daemon/terminals/label.h"

#include <string.h>
#include <zint.h>

#include "common/check.h"

enum {
    MARGIN = 3000,    /* within a label */
    TEXT_SIZE = 3200, /* the greatest */
    TEXT_LINE = 4300,
    TEXT_LINES = 2,
    GAP = 2000, /* between a square symbol and its text */
    BARS_HEIGHT = 15000,
    MODULE_WIDTH = 500, /* of bars, the greatest */
    BARS_QUIET = 10,    /* modules on each side, by ISO/IEC 15417 */
    SQUARE_QUIET = 4,   /* by ISO/IEC 18004 */
    NARROW = 62,        /* hundredths of the size that a character takes: of ASCII, */
    WIDE = 100,         /* and any other */
};

static const struct label_sheet sheets[] = {
    {.name = "a4_3x8",
     .width = 210000,
     .height = 297000,
     .columns = 3,
     .rows = 8,
     .left = 0,
     .top = 500,
     .column_pitch = 70000,
     .row_pitch = 37000,
     .label_width = 70000,
     .label_height = 37000},
    {.name = "a4_2x7",
     .width = 210000,
     .height = 297000,
     .columns = 2,
     .rows = 7,
     .left = 4650,
     .top = 15150,
     .column_pitch = 101600,
     .row_pitch = 38100,
     .label_width = 99100,
     .label_height = 38100},
    {.name = "single",
     .width = 70000,
     .height = 37000,
     .columns = 1,
     .rows = 1,
     .left = 0,
     .top = 0,
     .column_pitch = 70000,
     .row_pitch = 37000,
     .label_width = 70000,
     .label_height = 37000},
};

/* A place on the page. */
struct box {
    int x, y, width, height;
};

const struct label_sheet *label_sheet_find(const char *name)
{
    for (size_t i = 0; i < sizeof sheets / sizeof sheets[0]; i++)
        if (strcmp(sheets[i].name, name) == 0)
            return &sheets[i];
    return NULL;
}

size_t label_sheet_capacity(const struct label_sheet *sheet)
{
    return sheet->columns * sheet->rows;
}

size_t label_sheet_pages(const struct label_sheet *sheet, size_t labels)
{
    return (labels + label_sheet_capacity(sheet) - 1) / label_sheet_capacity(sheet);
}

/* ---- Text ---- */

static bool continues(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* U+FFFE and U+FFFF, which PostgreSQL keeps and XML does not take. */
static bool is_no_character(const char *text)
{
    return memcmp(text, "\xef\xbf", 2) == 0 && ((unsigned char)text[2] | 1) == 0xbf;
}

static void write_character(struct buffer *buffer, const char *text, size_t length)
{
    if (*text == '&')
        buffer_append_text(buffer, "&amp;");
    else if (*text == '<')
        buffer_append_text(buffer, "&lt;");
    else if (*text == '>')
        buffer_append_text(buffer, "&gt;");
    else if (length == 3 && is_no_character(text))
        buffer_append_text(buffer, "\xef\xbf\xbd");
    else
        buffer_append(buffer, text, length);
}

static size_t character_length(const char *text)
{
    size_t length = 1;

    while (continues(text[length]))
        length++;
    return length;
}

/* The greatest size in which the text fits a width. */
static int text_size(const char *text, int width)
{
    int taken = 1;

    for (; *text != '\0'; text += character_length(text))
        taken += (unsigned char)*text < 0x80 ? NARROW : WIDE;
    int fitting = (int)((long)width * 100 / taken);
    return fitting < TEXT_SIZE ? fitting : TEXT_SIZE;
}

/* A line whose foot is at y. */
static void write_text(struct buffer *buffer, const char *text, int x, int y, int width)
{
    buffer_append_format(buffer, "<text x=\"%d\" y=\"%d\" font-size=\"%d\">", x, y,
                         text_size(text, width));
    for (; *text != '\0'; text += character_length(text))
        write_character(buffer, text, character_length(text));
    buffer_append_text(buffer, "</text>\n");
}

/* ---- Symbols ---- */

/* The tag's symbol with a unit a module and its rectangles at hand; NULL when it does not fit. */
static struct zint_symbol *symbol_make(enum label_symbology symbology, const char *tag)
{
    struct zint_symbol *symbol = ZBarcode_Create();

    check(symbol != NULL);
    symbol->symbology = symbology == LABEL_QR ? BARCODE_QRCODE : BARCODE_CODE128;
    symbol->show_hrt = 0;
    symbol->scale = 0.5f; /* zint's own unit is half a module */
    if (symbology == LABEL_CODE128)
        symbol->height = 1;
    int outcome =
        ZBarcode_Encode_and_Buffer_Vector(symbol, (const unsigned char *)tag, (int)strlen(tag), 0);
    if (outcome < ZINT_ERROR)
        return symbol;
    ZBarcode_Delete(symbol);
    return NULL;
}

/* Its dark parts, a module so wide and so high. */
static void write_modules(struct buffer *buffer, const struct zint_symbol *symbol, int x, int y,
                          int width, int height)
{
    const struct zint_vector_rect *part = symbol->vector->rectangles;

    buffer_append_text(buffer, "<path d=\"");
    for (; part != NULL; part = part->next)
        buffer_append_format(buffer, "M%d %dh%dv%dh-%dz", x + (int)part->x * width,
                             y + (int)part->y * height, (int)part->width * width,
                             (int)part->height * height, (int)part->width * width);
    buffer_append_text(buffer, "\"/>\n");
}

static void write_bars(struct buffer *buffer, const struct zint_symbol *symbol, struct box box,
                       const struct label *label)
{
    int fitting = box.width / (symbol->width + 2 * BARS_QUIET);
    int module = fitting < MODULE_WIDTH ? fitting : MODULE_WIDTH;
    int room = box.height - TEXT_LINES * TEXT_LINE;
    int height = room < BARS_HEIGHT ? room : BARS_HEIGHT;

    write_modules(buffer, symbol, box.x + (box.width - symbol->width * module) / 2, box.y, module,
                  height);
    write_text(buffer, label->asset_tag, box.x, box.y + height + TEXT_LINE, box.width);
    write_text(buffer, label->model, box.x, box.y + height + TEXT_LINES * TEXT_LINE, box.width);
}

static void write_square(struct buffer *buffer, const struct zint_symbol *symbol, struct box box,
                         const struct label *label)
{
    int module = box.height / (symbol->width + 2 * SQUARE_QUIET);
    int quiet = SQUARE_QUIET * module;
    int beside = box.x + box.height + GAP;
    int middle = box.y + box.height / 2;

    write_modules(buffer, symbol, box.x + quiet, box.y + quiet, module, module);
    write_text(buffer, label->asset_tag, beside, middle, box.width - box.height - GAP);
    write_text(buffer, label->model, beside, middle + TEXT_LINE, box.width - box.height - GAP);
}

/* ---- Pages ---- */

static struct box label_box(const struct label_sheet *sheet, size_t place)
{
    return (struct box){
        .x = sheet->left + (int)(place % sheet->columns) * sheet->column_pitch + MARGIN,
        .y = sheet->top + (int)(place / sheet->columns) * sheet->row_pitch + MARGIN,
        .width = sheet->label_width - 2 * MARGIN,
        .height = sheet->label_height - 2 * MARGIN,
    };
}

static bool write_label(struct buffer *buffer, enum label_symbology symbology, struct box box,
                        const struct label *label)
{
    struct zint_symbol *symbol = symbol_make(symbology, label->asset_tag);

    if (symbol == NULL)
        return false;
    if (symbology == LABEL_QR)
        write_square(buffer, symbol, box, label);
    else
        write_bars(buffer, symbol, box, label);
    ZBarcode_Delete(symbol);
    return true;
}

bool label_page_write(struct buffer *buffer, const struct label_sheet *sheet,
                      enum label_symbology symbology, const struct label *labels, size_t count,
                      size_t *failed)
{
    check(count <= label_sheet_capacity(sheet));
    buffer_append_format(buffer,
                         "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d.%03dmm\" "
                         "height=\"%d.%03dmm\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\">\n"
                         "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
                         sheet->width / 1000, sheet->width % 1000, sheet->height / 1000,
                         sheet->height % 1000, sheet->width, sheet->height, sheet->width,
                         sheet->height);
    for (size_t i = 0; i < count; i++)
        if (!write_label(buffer, symbology, label_box(sheet, i), &labels[i])) {
            *failed = i;
            return false;
        }
    buffer_append_text(buffer, "</svg>\n");
    return true;
}
