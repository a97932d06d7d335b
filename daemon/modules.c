/*
 * The one file that names every module. The domains in their order, in which one may use those
 * before it:
 *
 *     tenants identity rating catalog resources broadband terminals software metering billing
 *     orders work_orders service exports operations audit console demonstration
 */
#include "daemon/billing/billing.h"
#include "daemon/broadband/broadband.h"
#include "daemon/catalog/catalog.h"
#include "daemon/console/console.h"
#include "daemon/db/job.h"
#include "daemon/exports/exports.h"
#include "daemon/http/http.h"
#include "daemon/http/request.h"
#include "daemon/metering/metering.h"
#include "daemon/operations/forget_job.h"
#include "daemon/orders/orders.h"
#include "daemon/process/courier.h"
#include "daemon/resources/resources.h"
#include "daemon/terminals/terminals.h"
#include "daemon/work_orders/work_orders.h"

const struct job_kind *const job_kinds[] = {
    &billing_run_kind,
    &billing_close_kind,
    &export_kind,
    &metering_fold_kind,
    &metering_partitions_kind,
    &metering_quotas_kind,
    &broadband_sessions_kind,
    &http_forget_kind,
    &operations_forget_kind,
    &courier_forget_kind,
    &orders_expire_kind,
    &resources_expire_kind,
    &terminals_fees_kind,
    &work_orders_watch_kind,
    &catalog_waiting_kind,
    &metering_back_computation_kind,
    NULL,
};

const page_handler page_handlers[] = {console_page, NULL};
