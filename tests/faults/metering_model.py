"""What usage must be: recomputed, event by event, from what was acknowledged, in exact fractions."""

import collections
from fractions import Fraction

FILTERED = {"filters": [{"property": "region", "values": ["cn", "hk"]}], "dimensions": ["region"]}
THIRD = {"divide_by": "3"}
FIVE_MINUTES = 300 * 1000000
PLACES = 10 ** 12  # of what is divided
GROUPS = {  # of an event, by what usage is grouped by
    "": lambda _: (None, None),
    "subject": lambda event: (event.subject, None),
    "region": lambda event: (None, event.region),
    "region,subject": lambda event: (event.subject, event.region)}


class Event(collections.namedtuple("Event", "tenant subject type time value user region")):
    """time in microseconds since 1970, value in hundredths; region None where it says none."""


class Meter:
    """A meter as it was made, by the document that made it."""

    def __init__(self, document):
        self.code, self.type = document["code"], document["event_type"]
        self.aggregation = document["aggregation"]
        self.values = [each["values"] for each in document["filters"]]
        self.by_region = document["dimensions"] == ["region"]
        self.divisor = Fraction(document["divide_by"] or 1)

    def counts(self, event):
        return event.type == self.type and all(event.region in values for values in self.values)

    def add_up(self, events):
        """None where there is nothing to tell."""
        if self.aggregation in ("max", "min", "latest", "p95") and not events:
            return None
        value = {
            "sum": lambda: Fraction(sum(each.value for each in events), 100),
            "count": lambda: Fraction(len(events)),
            "max": lambda: Fraction(max(each.value for each in events), 100),
            "min": lambda: Fraction(min(each.value for each in events), 100),
            "latest": lambda: Fraction(max((each.time, each.value) for each in events)[1], 100),
            "unique": lambda: Fraction(len({each.user for each in events})),
            "time_weighted": lambda: Fraction(0),
            "p95": lambda: Fraction(self.percentile(events), 100)}[self.aggregation]()
        if self.divisor == 1:
            return value
        scaled = value / self.divisor * PLACES
        return Fraction(int(scaled + Fraction(1, 2)), PLACES)

    def percentile(self, events):
        """In hundredths."""
        peaks, rates = {}, collections.Counter()
        for each in events:
            key = each.time // FIVE_MINUTES, each.subject, self.by_region and each.region
            peaks[key] = max(peaks.get(key, 0), each.value)
        for (slot, *_), peak in peaks.items():
            rates[slot] += peak
        return sorted(rates.values(), reverse=True)[len(rates) * 5 // 100]


class Recomputation:
    """All that counts, to be asked as usage is."""

    def __init__(self, events):
        self.by_type = collections.defaultdict(list)
        for event in events:
            self.by_type[event.tenant, event.type].append(event)
        for each in self.by_type.values():
            each.sort(key=lambda event: event.time)
        self.known = {}

    def windows(self, meter, tenant, windows, by):
        """{(window's place, group): value} of half-open windows in their order, ascending."""
        key = meter.code, tenant, tuple(windows), by
        if key not in self.known:
            count = self.held if meter.aggregation == "time_weighted" else self.counted
            self.known[key] = count(meter, tenant, windows, GROUPS[by])
        return self.known[key]

    def counted(self, meter, tenant, windows, group):
        found = collections.defaultdict(list)
        place = 0
        for event in self.by_type[tenant, meter.type]:
            while place < len(windows) and event.time >= windows[place][1]:
                place += 1
            if place == len(windows):
                break
            if event.time >= windows[place][0] and meter.counts(event):
                found[place, group(event)].append(event)
        return {key: meter.add_up(events) for key, events in found.items()}

    def held(self, meter, tenant, windows, group):
        """The same of levels: each holds until the next one of its subject and region, the greatest of an instant."""
        series = collections.defaultdict(dict)
        for event in self.by_type[tenant, meter.type]:
            if meter.counts(event):
                levels = series[event.subject, meter.by_region and event.region]
                if event.time not in levels or levels[event.time].value < event.value:
                    levels[event.time] = event
        found = collections.defaultdict(int)  # hundredths times microseconds
        for levels in series.values():
            times, place = list(levels), 0
            for time, until in zip(times, times[1:] + [windows[-1][1]]):
                while place < len(windows) and windows[place][1] <= time:
                    place += 1
                at = place
                while at < len(windows) and windows[at][0] < until:
                    span = min(until, windows[at][1]) - max(time, windows[at][0])
                    if span > 0:
                        found[at, group(levels[time])] += levels[time].value * span
                    at += 1
        return {key: Fraction(value, 10 ** 8) for key, value in found.items()}
