"""That each change has its row in the audit trail, and what must hold of the tables by itself."""

import collections

# Each gives the rows that must not be.
INVARIANTS = {
    "a transition that no action makes": """
        select t.resource_id, t.number from resource_transitions t
        join resources r on r.tenant_id = t.tenant_id and r.id = t.resource_id
        where t.action <> 'create' and not exists (
            select from resource_actions a
            where a.kind = r.kind and a.action = t.action and a.from_state = t.from_state
              and (a.to_state = t.to_state or t.action = 'resume' and t.to_state = t.from_state))""",
    "a history that does not hang together": """
        select t.resource_id, t.number from (
            select t.resource_id, t.number, t.from_state, t.effective_at,
                   lag(t.to_state::text) over w as before, lag(t.effective_at) over w as earlier,
                   row_number() over w as place
            from resource_transitions t window w as (partition by t.resource_id order by t.number)) t
        where t.before is distinct from t.from_state::text or t.place <> t.number
           or t.earlier > t.effective_at""",
    "a state that the history does not end with": """
        select r.id from resources r
        where r.state::text <> (select t.to_state::text from resource_transitions t
                                where t.resource_id = r.id order by t.number desc limit 1)""",
    "suspended without a hold, or a hold without being suspended": """
        select r.id from resources r
        where (r.state = 'suspended') <> exists (
            select from resource_holds h where h.resource_id = r.id)""",
    "more seats than are rented": """
        select s.resource_id from software_seats s
        join resource_quantities q on q.resource_id = s.resource_id and q.ends_at is null
        where s.released_at is null group by s.resource_id, q.quantity having count(*) > q.quantity""",
    "a seat of what has ended": """
        select s.id from software_seats s join resources r on r.id = s.resource_id
        where s.released_at is null and r.state in ('terminated', 'rejected')""",
    "a device that two movements end differently": """
        select t.id from terminals t join lateral (
            select m.to_state, m.number from terminal_movements m
            where m.terminal_id = t.id order by m.number desc limit 1) m on true
        where m.to_state <> t.state or m.number <> t.version""",
    "a resource with two devices": """
        select t.resource_id from terminals t where t.resource_id is not null
        group by t.resource_id, t.state having count(*) > 1""",
    "a device of what has ended": """
        select t.id from terminals t join resources r on r.id = t.resource_id
        where r.state in ('terminated', 'rejected')""",
    "an address that did not rest": """
        select b.id from address_assignments a
        join address_assignments b on b.address = a.address and b.assigned_at > a.assigned_at
        join address_pools p on p.id = a.pool_id
        where a.ended_at is null
           or b.assigned_at < a.ended_at + make_interval(hours => p.quarantine_hours)""",
    "a plan or a quantity that is open though all has ended": """
        select r.id from resources r
        where r.state in ('terminating', 'terminated', 'rejected')
          and (exists (select from plan_assignments p where p.resource_id = r.id and p.ends_at is null)
               or exists (select from resource_quantities q
                          where q.resource_id = r.id and q.ends_at is null))""",
    "an order that goes on with nothing open, or ended with something": """
        select o.id from orders o
        where (o.state in ('in_progress', 'cancelling')) <> exists (
            select from order_items i where i.order_id = o.id
              and i.state in ('in_progress', 'cancelling'))
          and o.state not in ('draft', 'pending_approval')""",
    "an audit row without its request": """
        select a.number from audit_events a
        where a.actor like 'key\\_%' and a.request_id is null""",
}


class Trail:
    def __init__(self, comparison, database):
        self.comparison, self.database = comparison, database

    def invariants(self):
        for what, sql in INVARIANTS.items():
            self.comparison.same(what, {}, {str(row): row for row in self.database.rows(sql)})

    def rows(self, sql):
        """By the first column, the others as tuples in their order."""
        found = collections.defaultdict(list)
        for row in self.database.rows(sql):
            key, *values = row.values()
            found[key].append(tuple(values))
        return found

    def tables(self):
        self.transitions()
        self.movements()
        self.seats()
        self.deposits()
        self.addresses()
        for name in ("resources", "terminals", "orders", "work_orders"):
            self.versions(name)
        self.items()
        self.holds()

    def transitions(self):
        shown = self.rows("""select resource_id, action, from_state, to_state, actor, reason
                             from resource_transitions order by number""")
        del shown[self.comparison.common.subscription]
        self.comparison.same("transitions", {
            each.id: list(each.history.values())
            for each in self.comparison.of("resources").values()}, shown)

    def movements(self):
        self.comparison.same("movements", {
            each.id: [each.history[number] for number in sorted(each.history)]
            for each in self.comparison.devices().values()}, self.rows("""
                select terminal_id, action, from_state, to_state, condition, resource_id, actor,
                       other_terminal_id from terminal_movements order by number"""))

    def seats(self):
        """And what the trail says of each: assigned once, and released once where it is."""
        wanted = {seat.id: (seat.email, seat.version) for each in
                  self.comparison.of("resources").values() for seat in each.seats.values()}
        wanted |= {seat.id: (seat.email, seat.version)
                   for seat in self.comparison.of("seats").values()}
        shown = {row["id"]: (row["email"], row["version"]) for row in self.database.rows(
            "select id, email, version from software_seats")}
        self.comparison.same("seat", wanted, shown)
        trail = self.rows("""select row_id, action from audit_events
                             where table_name = 'software_seats' order by number""")
        self.comparison.same("trail of the seat", {
            key: [("insert",), ("update",)][:version] for key, (_, version) in wanted.items()}, trail)

    def deposits(self):
        shown = self.rows("""select resource_id, kind, amount::integer from terminal_deposits
                             order by number""")
        self.comparison.same("deposits", {
            each.id: each.deposits for each in self.comparison.of("resources").values()
            if each.deposits}, shown)

    def addresses(self):
        wanted = {}
        for each in self.comparison.of("resources").values():
            if each.line is not None:
                for ended, of in ((False, each.line.addresses), (True, each.line.past)):
                    wanted |= {key: [(each.id, pool.id, address, ended)]
                               for key, (pool, address) in of.items()}
        self.comparison.same("address", wanted, self.rows(
            "select id, resource_id, pool_id, host(address), ended_at is not null as ended "
            "from address_assignments"))
        trail = self.rows("""select row_id, action from audit_events
                             where table_name = 'address_assignments' order by number""")
        self.comparison.same("trail of the address", {
            key: [("insert",), ("update",)][:1 + ended] for key, [(*_, ended)] in wanted.items()}, trail)

    # ---- The audit trail ----

    def versions(self, name):
        """Each version has one row in the trail, which says who made it, and the state that it had."""
        trail = self.rows(f"""
            select row_id, (new ->> 'version')::integer as version, actor, new ->> 'state' as state
            from audit_events
            where table_name = '{name}' and new is not null
              and (old ->> 'version') is distinct from (new ->> 'version')
            order by number""")
        objects = self.comparison.devices() if name == "terminals" else self.comparison.of(name)
        for each in objects.values():
            rows = trail[each.id]
            self.comparison.same(f"versions of {name}", {each.id: list(range(1, each.version + 1))},
                                 {each.id: [version for version, *_ in rows]})
            wanted = self.wanted(name, each)
            self.comparison.same(f"trail of {name}", {each.id: wanted}, {
                each.id: [row for row in rows if row[0] in {version for version, *_ in wanted}]})

    def wanted(self, name, each):
        """What is known of a version; there are others that no history notes, as of a new name."""
        if name == "resources":
            return [(version, each.askers[version], to_state)
                    for version, (_, _, to_state, _, _) in each.history.items()]
        if name == "terminals":
            return [(version, each.history[version][5], each.history[version][2])
                    for version in sorted(each.history)]
        if name == "work_orders":
            return [(i + 1, actor, state) for i, (_, state, actor) in enumerate(each.events)]
        return [(1, each.created_by, "draft")]  # of an order the rest is in its items

    def items(self):
        trail = self.rows("""
            select (new ->> 'order_id') || ' ' || (new ->> 'number') as item, new ->> 'state' as state
            from audit_events
            where table_name = 'order_items' and action = 'update' and old ->> 'state' <> new ->> 'state'
            order by number""")
        wanted = {}
        for order in self.comparison.of("orders").values():
            for item in order.items:
                states = [(state,) for _, number, state, _ in order.events if number == item.number]
                if not states and item.state == "cancelled":  # before it began
                    states = [("cancelled",)]
                if states:
                    wanted[f"{order.id} {item.number}"] = states
        self.comparison.same("trail of the item", wanted, trail)

    def holds(self):
        trail = collections.Counter(
            (row["resource_id"], row["kind"], row["action"]) for row in self.database.rows("""
                select coalesce(new, old) ->> 'resource_id' as resource_id,
                       coalesce(new, old) ->> 'kind' as kind, action
                from audit_events where table_name = 'resource_holds'"""))
        wanted = collections.Counter()
        for each in self.comparison.of("resources").values():
            wanted.update((each.id, kind, "insert") for kind in each.placed)
            wanted.update((each.id, kind, "delete") for kind in each.lifted)
        self.comparison.same("trail of the hold", wanted, trail)
