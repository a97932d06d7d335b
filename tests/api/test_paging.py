"""Every list, page by page, gives what it gives at once, each entry once."""

import unittest

from harness import ApiTest


class PagingTest(ApiTest):
    def lists(self):
        """The paths of lists that need no id."""
        for path, operations in self.contract.document["paths"].items():
            parameters = operations.get("get", {}).get("parameters", [])
            names = {each.get("name") or each.get("$ref", "").rpartition("/")[2].lower()
                     for each in parameters}
            if "cursor" in names and "{" not in path:
                yield path

    def pages(self, path):
        cursor, found = None, []
        while True:
            query = {"limit": 1} if cursor is None else {"limit": 1, "cursor": cursor}
            page = self.expect(self.platform.get(path, query=query), 200)
            self.assertLessEqual(len(page["data"]), 1)
            found += page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def test_pages_give_the_whole(self):
        for _ in range(3):
            _, owner = self.tenant("paged")
            for kind in ("software", "broadband", "terminal"):
                self.resource(owner, kind)
        self.database().execute("""
            insert into periods (period, state, starts_at, ends_at) values
                ('2019-01', 'open', '2018-12-31T16:00:00Z', '2019-01-31T16:00:00Z'),
                ('2019-02', 'open', '2019-01-31T16:00:00Z', '2019-02-28T16:00:00Z'),
                ('2019-03', 'open', '2019-02-28T16:00:00Z', '2019-03-31T16:00:00Z')""")
        tried = 0
        for path in self.lists():
            with self.subTest(path):
                if path in ("/v1/audit-events", "/v1/api-keys"):  # which looking at them adds to
                    continue
                whole = self.expect(self.platform.get(path, query={"limit": 500}), 200)["data"]
                self.assertEqual(self.pages(path), whole)
                tried += len(whole) > 1
        self.assertGreaterEqual(tried, 8)

    def test_a_cursor_that_is_none_is_refused(self):
        self.expect(self.platform.get("/v1/tenants", query={"cursor": "no such thing"}), 400,
                    "cursor_invalid")


if __name__ == "__main__":
    unittest.main()
