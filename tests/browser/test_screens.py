"""Every screen of the console in both languages and themes, wide and narrow: no error of a script,
nothing that the policy of the page refuses, nothing that axe finds, no scrolling sideways."""

from console import BrowserTest


class ScreenTest(BrowserTest):
    def screens(self, language, theme, who="root"):
        self.drive("every_screen", language=language, theme=theme, who=who)

    def test_english_light(self):
        self.screens("en", "light")

    def test_english_dark(self):
        self.screens("en", "dark")

    def test_chinese_light(self):
        self.screens("zh-CN", "light")

    def test_chinese_dark(self):
        self.screens("zh-CN", "dark")

    def test_tenant(self):
        self.screens("zh-CN", "light", "owner")

    def test_auditor(self):
        self.screens("en", "dark", "auditor")
