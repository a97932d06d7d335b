"""Labels: what is printed is read again by a scanner's program."""

import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

from harness import unique
from inventory import TerminalTest

SVG = "{http://www.w3.org/2000/svg}"
DOTS = 300  # an inch, as a label printer has


class TestLabels(TerminalTest):
    def page(self, terminals, symbology="code128", sheet="a4_3x8", page=None, status=200, code=None):
        answer = self.platform.post("/v1/terminals/labels", {
            "terminals": [each["id"] for each in terminals], "symbology": symbology, "sheet": sheet},
            query={"page": page})
        self.expect(answer, status, code)
        return answer

    def texts(self, answer):
        root = xml.etree.ElementTree.fromstring(answer.body.decode())
        return [element.text for element in root.iter(f"{SVG}text")]

    def read(self, answer, *boxes):
        """What zbar sees in each part of the page that a scanner would be held to; (x, y, width,
        height) in micrometres, the whole page where none is named."""
        root = xml.etree.ElementTree.fromstring(answer.body)
        found = []
        for box in boxes or [tuple(map(int, root.get("viewBox").split()))]:
            root.set("viewBox", " ".join(map(str, box)))
            root.set("width", f"{box[2] / 1000}mm")
            root.set("height", f"{box[3] / 1000}mm")
            found.append(self.scan(xml.etree.ElementTree.tostring(root)))
        return found

    def scan(self, svg):
        with tempfile.TemporaryDirectory() as directory:
            picture = os.path.join(directory, "page.png")
            subprocess.run(["rsvg-convert", f"--dpi-x={DOTS}", f"--dpi-y={DOTS}", "-o", picture],
                           input=svg, check=True)
            done = subprocess.run(["zbarimg", "--quiet", "--nodbus", picture], capture_output=True,
                                  text=True, check=False)
        return done.stdout.strip()

    @staticmethod
    def boxes(sheet):
        """Where a printer's sheet has its labels."""
        columns, rows, left, top, across, down, width, height = {
            "a4_3x8": (3, 8, 0, 500, 70000, 37000, 70000, 37000),
            "a4_2x7": (2, 7, 4650, 15150, 101600, 38100, 99100, 38100),
            "single": (1, 1, 0, 0, 0, 0, 70000, 37000)}[sheet]
        return [(left + column * across, top + row * down, width, height)
                for row in range(rows) for column in range(columns)]

    def terminals(self, count):
        return [self.add() for _ in range(count)]

    def test_every_sheet_and_symbol_is_read_again(self):
        for sheet, capacity in (("a4_3x8", 24), ("a4_2x7", 14), ("single", 1)):
            terminals = self.terminals(capacity)
            for symbology, name in (("code128", "CODE-128"), ("qr", "QR-Code")):
                with self.subTest(sheet=sheet, symbology=symbology):
                    answer = self.page(terminals, symbology, sheet)
                    self.assertEqual(answer.header("Label-Pages"), "1")
                    self.assertEqual(self.read(answer, *self.boxes(sheet)),
                                     [f"{name}:{each['asset_tag']}" for each in terminals])

    def test_the_longest_tags(self):
        tag = (unique("T") + "AbCdEfGhIjKlMnOpQrStUvWxYz/_.0123456789" * 2)
        whole, fitting = self.add(asset_tag=tag[:64]), self.add(asset_tag=tag[:60])
        for sheet in ("a4_3x8", "a4_2x7", "single"):
            self.assertEqual(self.read(self.page([whole], "qr", sheet), self.boxes(sheet)[0]),
                             [f"QR-Code:{tag[:64]}"])
        root = xml.etree.ElementTree.fromstring(self.page([fitting]).body.decode())
        self.assertEqual(root.find(f"{SVG}text").text, tag[:60])
        problem = self.page([fitting, whole], status=422, code="label_too_long").json
        self.assertEqual(problem["errors"][0]["pointer"], "/terminals/1")

    def test_a_page_is_paper(self):
        answer = self.page(self.terminals(1))
        self.assertEqual(answer.header("Content-Type"), "image/svg+xml")
        root = xml.etree.ElementTree.fromstring(answer.body.decode())
        self.assertEqual((root.get("width"), root.get("height"), root.get("viewBox")),
                         ("210.000mm", "297.000mm", "0 0 210000 297000"))

    def test_pages(self):
        terminals = self.terminals(25)
        first, second = self.page(terminals), self.page(terminals, page=2)
        self.assertEqual((first.header("Label-Pages"), second.header("Label-Pages")), ("2", "2"))
        self.assertEqual(self.texts(first)[::2], [each["asset_tag"] for each in terminals[:24]])
        self.assertEqual(self.texts(second), [terminals[24]["asset_tag"], "M70q"])
        problem = self.page(terminals, page=3, status=422, code="label_page_absent").json
        self.assertIn("2 pages", problem["detail"])
        self.assertEqual(self.page(terminals, sheet="single").header("Label-Pages"), "25")

    def test_text_is_escaped(self):
        model = "<a href=\"x\">&'云\uffff终端"
        answer = self.page([self.add(model=model)], "qr", "single")
        self.assertEqual(self.texts(answer)[1], model.replace("\uffff", "\ufffd"))

    def test_what_is_refused(self):
        nobody = {"id": "trm_01k8x7g0v8e2v9m3b1q4t5y6z7"}
        terminal = self.add()
        problem = self.page([terminal, nobody], status=422, code="reference_unknown").json
        self.assertEqual(problem["errors"][0]["pointer"], "/terminals/1")
        self.page([], status=422)
        self.page([terminal] * 201, status=422)
        self.page([terminal], symbology="ean", status=422)
        self.page([terminal], sheet="a5", status=422)
        self.page([terminal], page=0, status=400)


if __name__ == "__main__":
    unittest.main()
