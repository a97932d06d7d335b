/*
 * Metering: events come in, each counts once, and they add up to usage by quarter hours.
 *
 * Invariants
 * - The key of an event is (tenant, source, id), and a constraint of the database. The statement
 *   that claims the keys of a batch stores it, and adds it to usage; so an event and its usage are
 *   there both or neither.
 * - A batch counts for the meters that there were when it was stored: who adds a meter waits for
 *   those who store. Back-computation counts those from before, by their numbers.
 * - What is voided is taken off what counts from then on: of sums and counts as a delta of less
 *   than nothing, of levels as the difference that they made, of all else by counting its slots
 *   anew from what is stored, while nobody stores or folds them. Of a settled month nothing is
 *   changed: a later one has the delta, or restates the slots (usage_restatements), and read_usage
 *   leaves out what they stand for.
 * - Bandwidth has slots of five minutes, all else of quarter hours.
 * - A level that is held over time counts once the next one of its series comes, and at the latest
 *   when its month is over (metering_advance_levels).
 * - Usage is folded slots and deltas not folded yet (view usage_all), and levels held over many
 *   quarter hours or now (view usage_runs), read together in one snapshot; folding moves a delta to
 *   its slot in one statement.
 * - Who writes usage holds the locks of the months in which it can come to count, shared
 *   (lock_usage_periods), and sees what a close committed while it waited.
 * - What adds up passes usage_deltas once, where a trigger counts it in quotas; a transaction that
 *   stores events refuses what passes a hard one (store.h), any other only counts.
 * - Days of seats, lines and terminals are no rows: they come from the history of resources.
 *
 * Other domains read usage through the views usage_all and usage_runs, and of a month held_in.
 */
#ifndef DAEMON_METERING_METERING_H
#define DAEMON_METERING_METERING_H

#include "daemon/db/job.h"

/* Makes the partitions of the next days, and forgets those whose events are past their window. */
extern const struct job_kind metering_partitions_kind;

/* Counts for a meter what was stored before it was made, when queued. */
extern const struct job_kind metering_back_computation_kind;

/* Folds deltas into slots, periodically; any number may run at once. */
extern const struct job_kind metering_fold_kind;

/* Measures quotas, ends reservations that are due, and holds lines and lets them go, periodically.
 */
extern const struct job_kind metering_quotas_kind;

/* Counts what levels are held up to the beginning of the running month; whoever settles a month
 * that is over calls it first. In transactions of its own; false where the job is to be run again.
 */
bool metering_advance_levels(struct job *job);

#endif
