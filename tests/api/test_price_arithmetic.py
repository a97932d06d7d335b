"""The daemon's prices against a computation of their own here, in fractions: random prices of every model, with random
modifiers, on random usage of up to thirty digits. PRICE_SEED replays a run, PRICE_ROUNDS makes it longer."""

import math
import os
import random
from fractions import Fraction

from harness import ApiTest

ROUNDS = int(os.environ.get("PRICE_ROUNDS", "2000"))
HALF = Fraction(1, 2)
ROUNDINGS = {"up": math.ceil, "down": math.floor, "nearest": lambda value: math.floor(value + HALF)}
MODELS = ("flat", "unit", "graduated", "volume", "package", "percentage", "graduated_percentage", "matrix")


# ---- The computation, as the contract tells it ----

def number(price, name, default="0"):
    return Fraction(str(price.get(name, default)))


class FreeUnits:
    """What is left of them, for whoever comes next."""

    def __init__(self, price):
        self.left = number(price, "free_units")

    def take_from(self, quantity):
        used = min(self.left, quantity)
        self.left -= used
        return quantity - used


def converted(price, quantity, free):
    quantity = max(quantity, Fraction(0)) / number(price, "divide_by", "1")
    if "round" in price:
        quantity = Fraction(ROUNDINGS[price["round"]](quantity))
    return free.take_from(quantity)


def tiers_of(price):
    below = Fraction(0)
    for tier in price["tiers"]:
        limit = None if tier["up_to"] is None else Fraction(tier["up_to"])
        yield below, limit, number(tier, "unit_amount") + number(tier, "rate") / 100, number(tier, "flat_amount")
        below = limit


def graduated(price, quantity):
    if price["model"] == "graduated_percentage" and quantity == 0:
        return Fraction(0)
    return sum((min(quantity, quantity if limit is None else limit) - below) * each + flat
               for below, limit, each, flat in tiers_of(price) if quantity > below or below == 0)


def volume(price, quantity):
    return next(quantity * each + flat for _, limit, each, flat in tiers_of(price) if limit is None or quantity <= limit)


def package(price, quantity):
    return math.ceil(quantity / number(price, "package_size")) * number(price, "package_amount")


def percentage(price, values):
    """Events in their order; each is free by number or by value as long as neither freedom is used up."""
    free, total, seen, freed = FreeUnits(price), Fraction(0), 0, Fraction(0)
    by_number, by_value = number(price, "free_events"), number(price, "free_amount")
    freedom = by_number > 0 or by_value > 0
    for value in values:
        value = converted(price, value, free)
        pays = value
        if freedom:
            if by_number > 0 and seen >= by_number:
                freedom = False
            elif by_value > 0 and freed + value > by_value:
                pays = freed + value - by_value
                freedom = False
            else:
                seen += 1
                freed += value
                if by_value > 0 and freed == by_value and value > 0:
                    freedom = False
                continue
        charge = pays * number(price, "rate") / 100 + number(price, "fixed_amount")
        if "per_event_min" in price:
            charge = max(charge, number(price, "per_event_min"))
        if "per_event_max" in price:
            charge = min(charge, number(price, "per_event_max"))
        total += charge
    return total


def matrix(price, groups):
    free, total = FreeUnits(price), Fraction(0)
    sums = [Fraction(0)] * len(price["cells"])
    for values, quantity in groups:
        place = next(place for place, cell in enumerate(price["cells"])
                     if all(values.get(name) == wanted for name, wanted in cell["values"].items()))
        sums[place] += quantity
    for cell, quantity in zip(price["cells"], sums):
        if quantity != 0:
            total += converted(price, quantity, free) * number(cell, "unit_amount")
    return total


QUANTITIES = {
    "flat": lambda price, quantity: quantity * number(price, "amount"),
    "unit": lambda price, quantity: quantity * number(price, "unit_amount"),
    "graduated": graduated, "graduated_percentage": graduated, "volume": volume, "package": package}


def amount_of(price, usage):
    if price["model"] == "percentage":
        amount = percentage(price, usage)
    elif price["model"] == "matrix":
        amount = matrix(price, usage)
    else:
        amount = QUANTITIES[price["model"]](price, converted(price, usage, FreeUnits(price)))
    amount -= amount * number(price, "discount_percent") / 100
    if "minimum_amount" in price:
        amount = max(amount, number(price, "minimum_amount"))
    if "maximum_amount" in price:
        amount = min(amount, number(price, "maximum_amount"))
    return amount


def rounded(value, digits):
    """Half away from zero; of nothing below it, since no amount is."""
    return Fraction(math.floor(value * 10 ** digits + HALF), 10 ** digits)


# ---- Random prices ----

EDGES = ("package_size", "free_units", "free_amount")


def decimal_text(value):
    """Of one that ends within twelve digits."""
    digits = f"{int(value * 10 ** 12):013d}"
    return f"{digits[:-12]}.{digits[-12:]}"


class Dice:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, share=0.5):
        return self.random.random() < share

    def decimal(self, whole=6, places=4, least=0):
        """A decimal of at most so many digits before and after the point, and of no few of each."""
        digits = self.random.randint(0, whole)
        text = str(max(self.random.randrange(10 ** digits), least))
        decimals = self.random.randint(0, places)
        return f"{text}.{self.random.randrange(10 ** decimals):0{decimals}d}" if decimals else text

    def quantity(self, price):
        """Often at an edge of the price, where one tier or package ends."""
        edges = [tier["up_to"] for tier in price.get("tiers", [])[:-1]] + [price[name] for name in EDGES if name in price]
        if edges and self.chance(0.3):
            at = Fraction(str(self.random.choice(edges))) * self.random.choice((1, 1, 2))
            return decimal_text((at + self.random.choice((0, 1)) * number(price, "free_units")) * number(price, "divide_by", "1"))
        if self.chance(0.1):
            return self.random.choice(("0", "-3.5", "1", "0.000000000001", "999999999999999999.999999999999"))
        return self.decimal(18, 12) if self.chance(0.3) else self.decimal(5, 3)

    def tiers(self, each):
        found, end = [], 0
        for _ in range(self.random.randint(0, 5)):
            end += self.random.randint(1, 500)
            found.append({"up_to": str(end), each: self.decimal(3, 12), "flat_amount": self.decimal(3, 2)})
        return found + [{"up_to": None, each: self.decimal(3, 12), "flat_amount": self.decimal(3, 2)}]

    def matrix(self):
        cells = {}
        for _ in range(self.random.randint(0, 6)):
            values = {name: self.random.choice((None, "", "a", "b")) for name in ("x", "y") if self.chance(0.7)}
            if values:
                cells[tuple(sorted(values.items(), key=str))] = {"values": values, "unit_amount": self.decimal(3, 12)}
        return {"dimensions": ["x", "y"], "cells": [*cells.values(), {"values": {}, "unit_amount": self.decimal(3, 12)}]}

    def model(self, name):
        match name:
            case "flat":
                return {"amount": self.decimal()}
            case "unit":
                return {"unit_amount": self.decimal(4, 12)}
            case "graduated" | "volume":
                return {"tiers": self.tiers("unit_amount")}
            case "graduated_percentage":
                return {"tiers": self.tiers("rate")}
            case "package":
                return {"package_size": self.decimal(3, 3, least=1), "package_amount": self.decimal()}
            case "matrix":
                return self.matrix()
        price = {"rate": self.decimal(2, 6)}
        for field, text in (("fixed_amount", self.decimal(2, 2)), ("free_amount", self.decimal(4, 2)), ("per_event_min", self.decimal(1, 2))):
            if self.chance():
                price[field] = text
        if self.chance():
            price["free_events"] = self.random.randint(0, 5)
        if self.chance():
            price["per_event_max"] = str(Fraction(price.get("per_event_min", "0")).__ceil__() + self.random.randint(0, 30))
        return price

    def price(self):
        name = self.random.choice(MODELS)
        price = {"model": name, **self.model(name)}
        if self.chance(0.4):
            price["divide_by"] = self.decimal(4, 3, least=1)
        if self.chance(0.3):
            price["round"] = self.random.choice(tuple(ROUNDINGS))
        if self.chance(0.3):
            price["free_units"] = self.decimal(3, 2)
        if self.chance(0.3):
            price["discount_percent"] = str(self.random.randint(0, 100))
        if self.chance(0.3):
            price["minimum_amount"] = self.decimal(3, 2)
        if self.chance(0.3):
            price["maximum_amount"] = str(math.ceil(number(price, "minimum_amount")) + self.random.randrange(10 ** self.random.randint(0, 8)))
        return price

    def usage(self, price):
        """What is asked of the daemon, and what is computed with here."""
        if price["model"] == "percentage":
            values = [self.quantity(price) for _ in range(self.random.randint(0, 12))]
            return {"events": values}, [Fraction(value) for value in values]
        if price["model"] == "matrix":
            groups = [({name: self.random.choice((None, "", "a", "b", "c")) for name in ("x", "y")}, self.quantity(price))
                      for _ in range(self.random.randint(0, 12))]
            return ({"groups": [{"values": values, "quantity": quantity} for values, quantity in groups]},
                    [(values, Fraction(quantity)) for values, quantity in groups])
        quantity = self.quantity(price)
        return {"quantity": quantity}, Fraction(quantity)


class ArithmeticTest(ApiTest):
    def test_every_price_is_what_fractions_say(self):
        seed = int(os.environ.get("PRICE_SEED", random.randrange(1 << 32)))
        print(f"PRICE_SEED={seed}", flush=True)
        dice = Dice(seed)
        for _ in range(ROUNDS):
            price = dice.price()
            asked, usage = dice.usage(price)
            answer = self.expect(self.platform.post("/v1/prices/preview", {"price": price, **asked}), 200)
            expected = amount_of(price, usage)
            case = (price, asked, answer)
            self.assertEqual(Fraction(answer["amount"]), rounded(expected, 12), case)
            self.assertEqual(Fraction(answer["currency_amount"]), rounded(expected, 2), case)
            steps = sum(Fraction(step["amount"]) for step in answer["steps"] if "amount" in step)
            self.assertEqual(steps, Fraction(answer["amount"]), case)
