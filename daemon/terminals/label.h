/*
 * Labels of terminals as SVG: a page of a sheet, in millimetres, with a label for each terminal:
 * the symbol of its asset tag, the tag and the model. Pure: what zint makes of a tag in memory goes
 * into a buffer. Lengths are whole micrometres, which are the units within the document.
 */
#ifndef DAEMON_TERMINALS_LABEL_H
#define DAEMON_TERMINALS_LABEL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buffer.h"

enum label_symbology { LABEL_CODE128, LABEL_QR };

struct label {
    const char *asset_tag;
    const char *model;
};

struct label_sheet {
    const char *name;
    int width, height; /* of the page */
    size_t columns, rows;
    int left, top;               /* of the first label */
    int column_pitch, row_pitch; /* from one label to the next */
    int label_width, label_height;
};

/* The sheet of that name; NULL when there is none. */
const struct label_sheet *label_sheet_find(const char *name);

size_t label_sheet_capacity(const struct label_sheet *sheet);

/* How many pages so many labels fill. */
size_t label_sheet_pages(const struct label_sheet *sheet, size_t labels);

/* Writes a page with at most as many labels as the sheet holds. False, with `failed` the place of
 * the label, when a tag does not go into a symbol: one of more than 60 characters into Code 128. */
bool label_page_write(struct buffer *buffer, const struct label_sheet *sheet,
                      enum label_symbology symbology, const struct label *labels, size_t count,
                      size_t *failed);

#endif
