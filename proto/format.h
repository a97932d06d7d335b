/*
 * The named formats of texts in the contract: one function each, which says whether a text is
 * well-formed. What they are for, and what they expect, stands in x-formats of
 * proto/openapi/common.yaml; the table schema_formats is generated from there, and so are the
 * formats of ids ("id-ten") from x-ids. Texts are UTF-8.
 */
#ifndef PROTO_FORMAT_H
#define PROTO_FORMAT_H

#include <stdbool.h>

#include "common/slice.h"

bool format_decimal(struct slice text);
bool format_amount(struct slice text);
bool format_counter(struct slice text); /* of 64 bits, in decimal */
bool format_currency(struct slice text);
bool format_instant(struct slice text);
bool format_date(struct slice text);
bool format_period(struct slice text);
bool format_time_zone(struct slice text);
bool format_email(struct slice text);
bool format_code(struct slice text);
bool format_external_id(struct slice text);
bool format_login(struct slice text);
bool format_asset_tag(struct slice text);
bool format_property_name(struct slice text); /* a name in the data of events */
bool format_serial(struct slice text);
bool format_ipv4(struct slice text);
bool format_ip_address(struct slice text);
bool format_ip_prefix(struct slice text);
bool format_ip_address_or_prefix(struct slice text);
bool format_uri_reference(struct slice text);
bool format_https_url(struct slice text);
bool format_pem_certificates(struct slice text);
bool format_language(struct slice text);
bool format_scope(struct slice text);
bool format_text_line(struct slice text);

#endif
