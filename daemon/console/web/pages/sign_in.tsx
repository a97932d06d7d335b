// The door.
import { useEffect, useState } from "preact/hooks";
import { Preferences } from "../app/preferences";
import { expired, signIn } from "../data/session";
import { useStore } from "../data/store";
import { Form, Input } from "../parts/form";
import { Mark } from "../parts/icon";
import { t } from "../words/words";

export function SignInPage() {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const ended = useStore(expired);
  useEffect(() => {
    document.title = `${t.signIn.title} · ${t.product}`;
  }, [t]);
  return (
    <div class="door">
      <header class="door-head">
        <Preferences />
      </header>
      <main class="door-card">
        <div class="door-brand">
          <Mark />
          <div>
            <strong>{t.product}</strong>
            <span>{t.signIn.slogan}</span>
          </div>
        </div>
        <h1>{t.signIn.title}</h1>
        {ended && (
          <p class="notice warning" role="status">
            {t.signIn.expired}
          </p>
        )}
        <Form action={t.signIn.action} submit={() => signIn(email.trim(), password)}>
          <Input label={t.signIn.email} type="email" name="email" autocomplete="username" required autofocus value={email} set={setEmail} />
          <Input label={t.signIn.password} type="password" name="password" autocomplete="current-password" required value={password} set={setPassword} />
        </Form>
        <p class="muted door-foot">
          <a href="/docs">{t.nav.docs}</a>
        </p>
      </main>
    </div>
  );
}
