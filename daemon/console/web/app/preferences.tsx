// The reader's language and theme.
import { useStore } from "../data/store";
import { Icon } from "../parts/icon";
import { languages, setLanguage, t, type Language } from "../words/words";
import { setTheme, theme, type Theme } from "./theme";

// Each language is named in itself.
const LANGUAGES: { value: Language; name: string }[] = [
  { value: "en", name: "English" },
  { value: "zh-CN", name: "简体中文" },
];
const THEMES: Theme[] = ["system", "light", "dark"];

export function Preferences() {
  const language = useStore(languages);
  const shade = useStore(theme);
  return (
    <div class="preferences">
      <label class="picker" title={t.nav.language}>
        <Icon name="language" />
        <span class="hidden">{t.nav.language}</span>
        <select value={language} onChange={(event) => setLanguage(event.currentTarget.value as Language)}>
          {LANGUAGES.map(({ value, name }) => (
            <option key={value} value={value} lang={value} selected={value === language}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label class="picker" title={t.nav.theme}>
        <Icon name={shade} />
        <span class="hidden">{t.nav.theme}</span>
        <select value={shade} onChange={(event) => setTheme(event.currentTarget.value as Theme)}>
          {THEMES.map((value) => (
            <option key={value} value={value} selected={value === shade}>
              {t.themes[value]}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
