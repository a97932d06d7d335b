/*
 * The console's pages: which asset a path names, and in which coding it is sent.
 */
#include <stdlib.h>

#include "daemon/console/console.h"
#include "proto/accept.h"

static const char entry_path[] = "/console/";

static const char content_security_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'";

/* The bytes of all assets in all their codings, as build.mjs laid them out. */
__asm__(".pushsection .rodata\n"
        "console_blob:\n"
        ".incbin \"daemon/console/bundle.blob\"\n"
        ".popsection\n");
extern const char console_blob[];

static int compare_path(const void *key, const void *row)
{
    const struct slice *path = key;
    const char *other = ((const struct console_asset *)row)->path;
    int order = strncmp(path->data, other, path->length);

    return order == 0 && other[path->length] != '\0' ? -1 : order;
}

static const struct console_asset *find_asset(struct slice path)
{
    if (slice_starts_with(path, entry_path))
        path = slice_of(entry_path);
    return bsearch(&path, console_assets, console_assets_count, sizeof *console_assets,
                   compare_path);
}

/* A form of an asset: its bytes in a coding. */
struct form {
    const char *coding;
    const struct console_bytes *bytes;
};

/* The one that the client likes best, of equals the smallest. Who says nothing of identity takes it
 * where there is nothing else, and so does who refuses all. */
static struct form choose_form(const struct request *request, const struct console_asset *asset)
{
    const struct form forms[] = {
        {"br", &asset->brotli}, {"gzip", &asset->gzip}, {"identity", &asset->identity}};
    const size_t last = sizeof forms / sizeof forms[0] - 1;
    size_t best = last;
    unsigned most = 0;
    struct slice accepted;

    if (!request_header(request, "accept-encoding", &accepted))
        return forms[last];
    for (size_t i = 0; i <= last; i++) {
        unsigned weight = accept_weight(accepted, forms[i].coding, i == last ? 1 : 0);
        if (forms[i].bytes->size > 0 && weight > most) {
            most = weight;
            best = i;
        }
    }
    return forms[best];
}

/* If-None-Match: any of a list, compared weakly (RFC 9110, 13.1.2). */
static bool client_has(const struct request *request, const char *etag)
{
    struct slice list, item;

    if (!request_header(request, "if-none-match", &list))
        return false;
    for (bool more = true; more;) {
        more = slice_split(&list, ',', &item);
        item = slice_trim(more ? item : list);
        if (slice_starts_with(item, "W/"))
            item = (struct slice){item.data + 2, item.length - 2};
        if (slice_is(item, etag) || slice_is(item, "*"))
            return true;
    }
    return false;
}

static enum step send_asset(struct request *request, const struct console_asset *asset)
{
    struct form form = choose_form(request, asset);
    bool coded = form.bytes != &asset->identity;
    const char *etag = !coded
                           ? asset->etag
                           : arena_format(request_arena(request), "%.*s-%s\"",
                                          (int)strlen(asset->etag) - 1, asset->etag, form.coding);

    request_set_cache_control(request, asset->immutable ? "public, max-age=31536000, immutable"
                                                        : "no-cache");
    request_add_field(request, "ETag", etag);
    request_add_field(request, "Vary", "Accept-Encoding");
    request_add_field(request, "Content-Security-Policy", content_security_policy);
    if (client_has(request, etag))
        return request_answer_empty(request, 304);
    if (coded)
        request_add_field(request, "Content-Encoding", form.coding);
    return request_answer_constant(
        request, 200, asset->content_type,
        (struct slice){console_blob + form.bytes->offset, form.bytes->size});
}

enum step console_page(struct request *request, enum http1_method method, struct slice path)
{
    bool moved = slice_is(path, "/") || slice_is(path, "/console");
    const struct console_asset *asset = find_asset(path);

    if (!moved && asset == NULL)
        return NEXT;
    if (method != HTTP1_GET && method != HTTP1_HEAD)
        return request_refuse_method(request, "GET, HEAD");
    if (!moved)
        return send_asset(request, asset);
    request_add_field(request, "Location", entry_path);
    return request_answer_empty(request, 303);
}
