"""Batches of many requests that are stored together: each comes out as it was sent, whoever sent beside it."""

import os
import random
import threading
import unittest

from test_events import STEP, EventTest, instant

TENANTS, CLIENTS, BATCHES = 4, 16, 12
SIZES = (1, 2, 40, 250, 251)  # the last is too long to be stored with others
HOUR = 4


class Sender(threading.Thread):
    """Of one tenant; some of what it sends, another one of that tenant sends as well."""

    def __init__(self, test, client, subjects, kinds, name, seed):
        super().__init__(daemon=True)
        self.test, self.client, self.subjects, self.kinds, self.name = test, client, subjects, kinds, name
        self.random = random.Random(seed)
        self.events, self.problem = [], None

    def compose(self, number):
        return [self.test.event(
            f'{self.name}-{number}-"{{{place}}},\\中', type=self.random.choice(self.kinds)["event_type"],
            subject=self.random.choice(self.subjects), source=self.random.choice(("/a", "/b?c")),
            time=instant(self.test.now - self.random.randrange(HOUR) * STEP),
            data={"value": str(self.random.randrange(1000)), "region": self.random.choice(("cn", 'h"k\\', "中")), "NULL": "x" * place})
            for place in range(self.random.choice(SIZES))]

    def run(self):
        try:
            for number in range(BATCHES):
                batch = self.compose(number)
                self.events += batch
                answer = self.client.post("/v1/events", batch, content_type="application/cloudevents-batch+json",
                                          query={"partial": "true"})
                self.test.assertEqual((answer.status, answer.json["rejected"]), (200, 0), answer)
        except Exception as problem:  # told by the test, which waits for this thread
            self.problem = problem


class Gathering(EventTest):
    def setUp(self):
        super().setUp()
        self.kinds = [self.meter, self.make_meter("sum", dimensions=["region"]), self.make_meter("count")]

    def senders(self):
        seed = int(os.environ.get("GATHERING_SEED", random.randrange(1 << 32)))
        print(f"GATHERING_SEED={seed}", flush=True)
        for place in range(TENANTS):
            _, owner = self.tenant()
            made = [self.resource(owner, "software", external_id=f"crm-{place}-{number}") for number in range(3)]
            subjects = [made[0]["id"], made[1]["external_id"], made[2]["id"]]
            for turn in range(CLIENTS // TENANTS):
                # Of one tenant, two by two they send the same, for which all that is stored with it goes by itself.
                name = f"{place}-{turn // 2 if place == 0 else turn}"
                yield owner, Sender(self, owner, subjects, self.kinds, name, f"{seed} {name}")

    def test_each_comes_out_as_it_was_sent(self):
        senders = list(self.senders())
        for _, sender in senders:
            sender.start()
        for _, sender in senders:
            sender.join(120)
            self.assertIsNone(sender.problem)
        for owner in {id(owner): owner for owner, _ in senders}.values():
            sent = {}
            for sender in (sender for of, sender in senders if of is owner):
                for event in sender.events:
                    sent.setdefault((event["source"], event["id"]), event)
            self.check_events(owner, sent)
            self.check_usage(owner, list(sent.values()))
        self.assertGreater(self.database().value("""
            select count(*) from (select from event_batches group by xmin::text having count(distinct tenant_id) > 1) together"""), 0)

    def check_events(self, owner, sent):
        stored = {(each["source"], each["id"]): each for each in owner.all("/v1/events", {"limit": 500})}
        self.assertEqual(stored.keys(), sent.keys())
        for key, event in sent.items():
            self.assertEqual({name: stored[key][name] for name in event if name != "specversion"},
                             {name: value for name, value in event.items() if name != "specversion"})

    def check_usage(self, owner, events):
        for meter in self.kinds:
            counted = [event for event in events if event["type"] == meter["event_type"]]
            if meter["aggregation"] == "count":
                self.assertEqual(self.total(client=owner, meter=meter), 100 * len(counted))
                continue
            self.assertEqual(self.total(client=owner, meter=meter), 100 * sum(int(event["data"]["value"]) for event in counted))


if __name__ == "__main__":
    unittest.main()
