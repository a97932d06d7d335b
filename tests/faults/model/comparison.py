"""What the API says, against the model."""

PAGE = {"limit": 500}


def by_id(entries):
    found = {each["id"]: each for each in entries}
    assert len(found) == len(entries), "a list shows something twice"
    return found


class Comparison:
    """While nobody does anything."""

    def __init__(self, test, common, parts):
        self.test, self.common, self.parts = test, common, parts
        self.client = test.platform
        self.differences = []

    def of(self, name):
        """All objects of that kind, of all clients, by id."""
        return {key: each for part in self.parts for key, each in getattr(part, name).items()}

    def same(self, what, wanted, shown):
        """By id; says which differ."""
        for key in sorted(set(wanted) | set(shown), key=str):
            if wanted.get(key) != shown.get(key):
                self.differences.append(
                    f"{what} {key}:\n    model {wanted.get(key)}\n    shown {shown.get(key)}")

    def end(self):
        if self.differences:
            raise AssertionError(f"{len(self.differences)} differences\n" +
                                 "\n".join(self.differences[:20]))

    def states(self):
        self.resources()
        self.terminals()
        self.orders()
        self.work()
        self.stock()

    # ---- Resources ----

    def resources(self):
        wanted = {}
        for part in self.parts:
            for each in part.resources.values():
                wanted[each.id] = self.wanted_resource(part, each)
        shown = by_id(self.client.all("/v1/resources", PAGE))
        del shown[self.common.subscription]
        self.same("resource", wanted, {key: self.shown_resource(each) for key, each in shown.items()})

    def wanted_resource(self, part, each):
        line, held = each.line, sorted(part.held_by(each), key=lambda one: one.state != "rented")
        return {
            "state": each.state, "tenant": each.tenant.id, "name": each.name,
            "holds": sorted(each.holds), "plan": each.plan, "next_plan": each.next_plan,
            "quantity": str(each.quantity), "failure": each.failure and each.failure["code"],
            "rented_until": each.rented_until, "seats": len(each.assigned()), "device": held[0].id if held else None,
            "line": None if line is None else (
                line.point, line.tier, line.next_tier, line.static,
                sorted((key, address) for key, (_, address) in line.addresses.items()))}

    def shown_resource(self, each):
        line, software = each["broadband"], each["software"]
        device = each["terminal"] and each["terminal"]["terminal"]
        return {
            "state": each["state"], "tenant": each["tenant_id"], "name": each["name"],
            "holds": each["holds"], "plan": each["plan_id"],
            "next_plan": each["next_plan"] and each["next_plan"]["plan_id"],
            "quantity": each["quantity"], "failure": each["failure"] and each["failure"]["code"],
            "rented_until": each["rented_until"], "seats": software["assigned_seats"] if software else 0,
            "device": device and device["id"],
            "line": None if line is None else (
                line["access_point_id"], line["tier_id"],
                line["next_tier"] and line["next_tier"]["tier_id"], line["static_address"],
                sorted((one["id"], one["address"]) for one in line["addresses"]))}

    # ---- Devices ----

    def devices(self):
        """All, each with all that anybody has seen of it."""
        for each in self.of("terminals").values():
            if each.id in self.common.terminals:
                self.common.terminals[each.id].learn(each)
        return {**self.of("terminals"), **self.common.terminals}

    def terminals(self):
        wanted = {each.id: (each.state, each.resource, each.condition, each.model, each.tag)
                  for each in self.devices().values()}
        shown = by_id(self.client.all("/v1/terminals", PAGE))
        self.same("terminal", wanted, {key: (
            each["state"], each["resource_id"], each["condition"], each["model"], each["asset_tag"])
            for key, each in shown.items()})
        counts = {}
        for each in self.devices().values():
            stock = counts.setdefault(each.model, dict.fromkeys(
                ("in_stock", "reserved", "rented", "in_repair", "lost", "retired"), 0))
            stock[each.state] += 1
        models = self.client.all("/v1/terminal-models", PAGE)
        self.same("model", counts, {each["name"]: each["stock"] for each in models
                                    if any(each["stock"].values())})

    def stock(self):
        """What is left of that of which all take."""
        common, lines = self.common, [each for each in self.of("resources").values()
                                      if each.line is not None and not each.has_ended()]
        points = by_id(self.client.all("/v1/access-points", PAGE))
        self.same("access point", {
            key: (sum(each.line.point == key for each in lines), point.free)
            for key, point in common.points.items()},
            {key: (each["lines"], each["free"]) for key, each in points.items()})
        free = sum(each.state == "in_stock" for each in self.devices().values()
                   if each.model == common.model)
        seats = [each for each in self.of("seats").values() if each.version == 1]
        shown = self.client.all(f"/v1/resources/{common.subscription}/seats",
                                {"released": False, **PAGE})
        self.same("stock", {"terminals": free, "seats": sorted(each.id for each in seats),
                            "seats left": common.seats - len(seats)},
                  {"terminals": common.terminal_stock.free,
                   "seats": sorted(each["id"] for each in shown), "seats left": common.seat_stock.free})

    # ---- Orders and work ----

    def orders(self):
        resources = self.of("resources")
        wanted = {each.id: (each.state, each.placed_by, [
            (item.number, item.state, item.failure, [
                (key, resources[key].state) for key in item.resources]) for item in each.items])
            for each in self.of("orders").values()}
        shown = by_id(self.client.all("/v1/orders", PAGE))
        self.same("order", wanted, {key: (each["state"], each["placed_by"], [
            (item["number"], item["state"], item["failure"] and item["failure"]["code"], [
                (one["id"], one["state"]) for one in item["resources"]]) for item in each["items"]])
            for key, each in shown.items()})

    def work(self):
        wanted = {each.id: (each.kind, each.state, each.paused, each.resources)
                  for each in self.of("work_orders").values()}
        shown = by_id(self.client.all("/v1/work-orders", PAGE))
        self.same("work order", wanted, {key: (
            each["kind"], each["state"], each["paused_at"] is not None,
            sorted(one["id"] for one in each["resources"])) for key, each in shown.items()})

    # ---- Histories, one by one ----

    def history(self, path, fields):
        """The earliest first."""
        return [tuple(each[name] for name in fields)
                for each in reversed(self.client.all(path + "/history", PAGE))]

    def histories(self):
        for each in self.of("resources").values():
            self.same("history", {each.id: list(each.history.values())}, {each.id: self.history(
                f"/v1/resources/{each.id}", ("action", "from_state", "to_state", "actor", "reason"))})
            self.etag(f"/v1/resources/{each.id}", each.version)
        for each in self.devices().values():
            wanted = [each.history[number] for number in sorted(each.history)]
            self.same("history", {each.id: wanted}, {each.id: self.history(
                f"/v1/terminals/{each.id}", ("action", "from_state", "to_state", "condition",
                                             "resource_id", "actor", "other_terminal_id"))})
            self.etag(f"/v1/terminals/{each.id}", each.version)
        for each in self.of("orders").values():
            self.same("history", {each.id: each.events}, {each.id: self.history(
                f"/v1/orders/{each.id}", ("event", "item", "state", "actor"))})
            self.etag(f"/v1/orders/{each.id}", each.version)
        for each in self.of("work_orders").values():
            self.same("history", {each.id: each.events}, {each.id: self.history(
                f"/v1/work-orders/{each.id}", ("event", "state", "actor"))})
            self.etag(f"/v1/work-orders/{each.id}", each.version)

    def etag(self, path, version):
        self.same("version", {path: f'"{version}"'}, {path: self.client.get(path).etag})
