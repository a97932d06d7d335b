"""What is over is forgotten in time, and what is still needed is not."""

import unittest

from harness import ApiTest

OPERATION = "op_01k8x7g0v8e2v9m3b1q4t5y6z{}"


class ForgetTest(ApiTest):
    def forgets(self, kind, left, expected):
        """Has the periodic job come round at once until nothing but what is expected is left."""
        def only_expected():
            self.database().execute(
                f"update operations set not_before = now() where kind = '{kind}' and state = 'queued'")
            return left() == expected

        self.eventually(only_expected)

    def test_bug_0024_ended_operations_are_forgotten(self):
        run = self.platform.post("/v1/billing-runs", {"period": "2026-01"})
        self.operation(run)
        named = run.header("Location").rpartition("/")[2]
        database = self.database()
        database.execute(f"update operations set ended_at = now() - interval '400 days' where id = '{named}'")
        for number, state, age in ((1, "succeeded", 91), (2, "failed", 91), (3, "succeeded", 89)):
            database.execute(f"""
                insert into operations (id, kind, state, ended_at)
                values ('{OPERATION.format(number)}', 'close_period', '{state}', now() - interval '{age} days')""")
        self.forgets("forget_operations",
                     lambda: {each["id"] for each in self.platform.all("/v1/operations")},
                     {named, OPERATION.format(3)})

    def test_bug_0024_ended_messages_are_forgotten(self):
        database = self.database()
        database.execute("""
            insert into courier_messages (kind, payload, state, not_before, ended_at)
            select 'radius_disconnect', '{}', state, '2999-01-01', now() - age * interval '1 day'
            from (values ('sent', 31), ('failed', 31), ('sent', 29), ('pending', null)) as m(state, age)""")
        self.forgets("forget_courier_messages",
                     lambda: [row["state"] for row in database.rows(
                         "select state from courier_messages order by id")], ["sent", "pending"])


if __name__ == "__main__":
    unittest.main()
