// The reader of the contract: operations by tag, with parameters, schemas, problems and a curl line.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Preferences } from "../app/preferences";
import { useLoaded } from "../data/use";
import { useStore } from "../data/store";
import { CopyButton } from "../parts/copy";
import { Mark } from "../parts/icon";
import { ErrorBox, Skeleton } from "../parts/status";
import { Toasts } from "../parts/toast";
import { languages, t, wordFor } from "../words/words";
import {
  exampleOf,
  formatText,
  leastBody,
  nameOf,
  operationsOf,
  problemText,
  resolve,
  type Contract,
  type Operation,
  type Parameter,
  type Schema,
} from "./contract";

/** Text of the contract, with what stands in back quotes as code. */
function Prose({ text }: { text: string }) {
  return (
    <>
      {text.split(/\n\s*\n/).map((paragraph, index) => (
        <p key={index}>
          {paragraph.split("`").map((part, place) => (place % 2 === 1 ? <code key={place}>{part}</code> : part))}
        </p>
      ))}
    </>
  );
}

function typeText(contract: Contract, given: Schema): string {
  const schema = resolve(contract, given);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.map((choice) => nameOf(choice) ?? typeText(contract, choice)).join(t.docs.or);
  const types = [schema.type ?? "object"].flat();
  return types
    .map((type) => {
      if (type === "array" && schema.items) return t.docs.listOf(nameOf(schema.items) ?? typeText(contract, schema.items));
      return type === "object" ? (nameOf(given) ?? type) : type;
    })
    .join(t.docs.or);
}

function Limits({ contract, given }: { contract: Contract; given: Schema }) {
  const schema = resolve(contract, given);
  const format = schema.format ? formatText(contract, schema.format) : null;
  const values = schema.enum ?? (schema.items && resolve(contract, schema.items).enum);
  const texts = [
    schema.minimum !== undefined && t.docs.atLeast(String(schema.minimum)),
    schema.maximum !== undefined && t.docs.atMost(schema.maximum.toLocaleString("en")),
    schema.default !== undefined && t.docs.usual(String(schema.default)),
  ].filter((text): text is string => text !== false);
  return (
    <>
      {format && <span class="limit">{format}</span>}
      {values && values.length > 1 && (
        <span class="limit">
          {t.docs.values}{" "}
          {values.map((value) => (
            <code key={value}>{value} </code>
          ))}
        </span>
      )}
      {texts.length > 0 && <span class="limit">{texts.join(t.common.comma)}</span>}
    </>
  );
}

interface PropertyProps {
  contract: Contract;
  name: string;
  given: Schema;
  /** Of a request, which says what is required; an answer has all its fields. */
  asked: boolean;
  required: boolean;
}

/** The schema below this one that has fields of its own; null of plain values. */
function inner(contract: Contract, given: Schema): Schema[] {
  const schema = resolve(contract, given);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.filter((choice) => inner(contract, choice).length > 0);
  if (schema.items) return inner(contract, schema.items);
  return schema.properties ? [given] : [];
}

function Property({ contract, name, given, asked, required }: PropertyProps) {
  const [open, setOpen] = useState(false);
  const schema = resolve(contract, given);
  const below = inner(contract, given);
  return (
    <li class="property">
      <div class="property-head">
        <code class="property-name">{name}</code>
        <span class="muted">{typeText(contract, given)}</span>
        {asked && required && <span class="required">{t.docs.required}</span>}
      </div>
      {schema.description && <Prose text={schema.description} />}
      <Limits contract={contract} given={given} />
      {below.length > 0 && (
        <details onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>
            {t.docs.schema} {below.map((each) => nameOf(each)).filter(Boolean).join(t.docs.or)}
          </summary>
          {open && below.map((each, index) => <Properties key={index} contract={contract} given={each} asked={asked} />)}
        </details>
      )}
    </li>
  );
}

function Properties({ contract, given, asked }: { contract: Contract; given: Schema; asked: boolean }) {
  const shown = inner(contract, given);
  if (shown.length > 1)
    return (
      <>
        {shown.map((choice, index) => (
          <details key={index}>
            <summary>{nameOf(choice) ?? t.docs.oneOf}</summary>
            <Properties contract={contract} given={choice} asked={asked} />
          </details>
        ))}
      </>
    );
  const schema = resolve(contract, shown[0] ?? given);
  return (
    <ul class="properties">
      {Object.entries(schema.properties ?? {}).map(([name, each]) => (
        <Property key={name} contract={contract} name={name} given={each} asked={asked} required={schema.required?.includes(name) ?? false} />
      ))}
    </ul>
  );
}

function Code({ text, label }: { text: string; label: string }) {
  return (
    <div class="code">
      <pre tabIndex={0} role="region" aria-label={label}>
        {text}
      </pre>
      <CopyButton text={text} label={t.common.copyThis(label)} />
    </div>
  );
}

function Parameters({ contract, parameters }: { contract: Contract; parameters: Parameter[] }) {
  const places = { path: t.docs.inPath, query: t.docs.inQuery, header: t.docs.inHeader };
  return (
    <ul class="properties">
      {parameters.map((parameter) => (
        <li key={parameter.in + parameter.name} class="property">
          <div class="property-head">
            <code class="property-name">{parameter.name}</code>
            <span class="muted">
              {places[parameter.in]} · {typeText(contract, parameter.schema)}
            </span>
            {parameter.required && <span class="required">{t.docs.required}</span>}
          </div>
          {parameter.description && <Prose text={parameter.description} />}
          <Limits contract={contract} given={parameter.schema} />
        </li>
      ))}
    </ul>
  );
}

const shellQuoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The line that asks for it: with what is required, and the contract's own examples. */
export function curlOf(contract: Contract, operation: Operation): string {
  const value = (parameter: Parameter) =>
    String(parameter.example ?? exampleOf(contract, parameter.schema));
  const required = operation.parameters.filter((parameter) => parameter.required);
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(value(operation.parameters.find((each) => each.name === name)!)),
  );
  const query = required
    .filter((parameter) => parameter.in === "query")
    .map((parameter) => `${encodeURIComponent(parameter.name)}=${encodeURIComponent(value(parameter))}`)
    .join("&");
  const lines = [`curl ${shellQuoted(`${location.origin}${path}${query && `?${query}`}`)}`];
  if (operation.method !== "GET") lines.push(`-X ${operation.method}`);
  if (operation.audience !== "public") lines.push('-H "Authorization: Bearer $KEY"');
  for (const parameter of required)
    if (parameter.in === "header")
      lines.push(
        parameter.name === "Idempotency-Key" ? '-H "Idempotency-Key: $(uuidgen)"' : `-H '${parameter.name}: *'`,
      );
  if (operation.body) {
    lines.push(`-H 'Content-Type: ${operation.body.type}'`);
    lines.push(`-d ${shellQuoted(JSON.stringify(leastBody(contract, operation.body.schema)))}`);
  }
  return lines.join(" \\\n  ");
}

function problemsOf(contract: Contract, operation: Operation) {
  return Object.entries(contract.components["x-problems"])
    .filter(([, problem]) => operation.refusals.includes(problem.status))
    .sort(([, a], [, b]) => a.status - b.status);
}

const ACTION = /^\/v1\/resources\/\{resource_id\}\/([a-z]+)$/;

// Of an action on a resource: from which states it leads where.
function Transitions({ contract, operation }: { contract: Contract; operation: Operation }) {
  const action = ACTION.exec(operation.path)?.[1];
  const rows = action && operation.method === "POST" ? contract.components["x-transitions"][action] : undefined;
  if (!rows) return null;
  return (
    <Section title={t.docs.transitions}>
      <ul class="transitions">
        {rows.map((row) => (
          <li key={row.kinds.join() + row.from.join()}>
            {row.kinds.map((kind) => wordFor(t.kinds, kind)).join(", ")}: {row.from.map((state) => wordFor(t.states, state)).join(", ")} →{" "}
            {row.to === "unchanged" ? t.docs.unchanged : wordFor(t.states, row.to)}
            {row.to_with_vendor && ` (${t.docs.withVendor(wordFor(t.states, row.to_with_vendor))})`}
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Section({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="reference-section">
      <h4>{title}</h4>
      {children}
    </section>
  );
}

function Details({ contract, operation }: { contract: Contract; operation: Operation }) {
  const { permission, audience, parameters, body, answers } = operation;
  const curl = curlOf(contract, operation);
  return (
    <div class="operation-body">
      <Prose text={operation.description} />
      <p class="muted access">
        {audience === "public" && t.docs.public}
        {permission && (
          <>
            {t.docs.permission} <code>{permission}</code>
          </>
        )}
        {audience === "operator" && ` · ${t.docs.operatorOnly}`}
      </p>
      <Transitions contract={contract} operation={operation} />
      <Section title={t.docs.curl}>
        <Code text={curl} label="curl" />
        {audience !== "public" && <p class="muted">{t.docs.keyNote}</p>}
      </Section>
      {parameters.length > 0 && (
        <Section title={t.docs.parameters}>
          <Parameters contract={contract} parameters={parameters} />
        </Section>
      )}
      {body && (
        <Section title={`${t.docs.body} · ${body.type}`}>
          <Properties contract={contract} given={body.schema} asked />
          <Code text={JSON.stringify(exampleOf(contract, body.schema), null, 2)} label={t.docs.example} />
        </Section>
      )}
      {answers.map((answer) => (
        <Section key={answer.status} title={`${t.docs.answers} · ${answer.status}`}>
          <Prose text={answer.description} />
          {answer.schema && (
            <>
              <Properties contract={contract} given={answer.schema} asked={false} />
              {answer.type === "application/json" && (
                <Code text={JSON.stringify(exampleOf(contract, answer.schema), null, 2)} label={t.docs.example} />
              )}
            </>
          )}
        </Section>
      ))}
      <Section title={t.docs.problems}>
        <p class="muted">{t.docs.problemsNote}</p>
        <details>
          <summary>{t.docs.problemsOf}</summary>
          <ul class="properties">
            {problemsOf(contract, operation).map(([code, problem]) => (
              <li key={code} class="property">
                <div class="property-head">
                  <code class="property-name">{code}</code>
                  <span class="muted">
                    {problem.status} · {problemText(problem).title}
                  </span>
                </div>
                <p>{problemText(problem).detail}</p>
              </li>
            ))}
          </ul>
        </details>
      </Section>
    </div>
  );
}

function OperationCard({ contract, operation, wanted }: { contract: Contract; operation: Operation; wanted: boolean }) {
  const [open, setOpen] = useState(wanted);
  useEffect(() => {
    if (wanted) setOpen(true);
  }, [wanted]);
  return (
    <article class="operation" id={operation.id}>
      <h3>
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span class={`method ${operation.method.toLowerCase()}`}>{operation.method}</span>
          <code>{operation.path}</code>
          <span class="operation-summary">{operation.summary}</span>
        </button>
        <a href={`#${operation.id}`} class="anchor" aria-label={`${t.docs.anchor}: ${operation.summary}`}>
          #
        </a>
      </h3>
      {open && <Details contract={contract} operation={operation} />}
    </article>
  );
}

function matches(operation: Operation, text: string): boolean {
  const all = `${operation.method} ${operation.path} ${operation.id} ${operation.summary} ${operation.description} ${operation.tag}`.toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

function useHash(): string {
  const [hash, setHash] = useState(location.hash.slice(1));
  useEffect(() => {
    const changed = () => setHash(location.hash.slice(1));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return hash;
}

function Reader({ contract }: { contract: Contract }) {
  const [text, setText] = useState("");
  const hash = useHash();
  const operations = operationsOf(contract);
  const found = operations.filter((operation) => matches(operation, text.trim()));
  const tags = contract.tags
    .map((tag) => ({ ...tag, operations: found.filter((operation) => operation.tag === tag.name) }))
    .filter((tag) => tag.operations.length > 0);
  useEffect(() => {
    if (hash) document.getElementById(hash)?.scrollIntoView();
  }, [hash]);
  return (
    <div class="reference">
      <nav class="reference-rail" aria-label={t.docs.contents}>
        <div class="field">
          <label for="search">{t.docs.search}</label>
          <input id="search" type="search" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </div>
        <p class="muted" role="status">
          {t.docs.count(found.length)}
        </p>
        {tags.map((tag) => (
          <details key={tag.name} open={text !== "" || tag.operations.some(({ id }) => id === hash)}>
            <summary>{tag.name}</summary>
            <ul>
              {tag.operations.map((operation) => (
                <li key={operation.id}>
                  <a href={`#${operation.id}`} aria-current={operation.id === hash ? "true" : undefined}>
                    {operation.summary}
                  </a>
                </li>
              ))}
            </ul>
          </details>
        ))}
      </nav>
      <main id="content" tabIndex={-1}>
        <h1>{t.docs.title}</h1>
        <div class="intro">
          <Prose text={contract.info.description} />
          <p>
            <a href="/openapi.json">{t.docs.download}</a> <span class="muted">{contract.info.version}</span>
          </p>
        </div>
        {tags.length === 0 && <p class="empty">{t.docs.nothing}</p>}
        {tags.map((tag) => (
          <section key={tag.name} aria-label={tag.name} class="tag">
            <h2>{tag.name}</h2>
            <p class="muted">{tag.description}</p>
            {tag.operations.map((operation) => (
              <OperationCard key={operation.id} contract={contract} operation={operation} wanted={operation.id === hash} />
            ))}
          </section>
        ))}
      </main>
    </div>
  );
}

async function loadContract(signal: AbortSignal): Promise<Contract> {
  const response = await fetch("/openapi.json", { signal });
  if (!response.ok) throw new Error(response.statusText);
  return (await response.json()) as Contract;
}

export function Reference() {
  useStore(languages);
  const contract = useLoaded("/openapi.json", loadContract);
  useEffect(() => {
    document.title = `${t.docs.title} · ${t.product}`;
  }, [t]);
  return (
    <>
      <a class="skip" href="#content">
        {t.nav.skip}
      </a>
      <header class="top reference-top">
        <a href="/docs" class="brand">
          <Mark />
          <span>{t.product}</span>
        </a>
        <span class="spacer" />
        <a href="/console/">{t.docs.console}</a>
        <Preferences />
      </header>
      {contract.data ? (
        <Reader contract={contract.data} />
      ) : contract.error ? (
        <ErrorBox error={contract.error} retry={contract.reload} />
      ) : (
        <Skeleton rows={10} />
      )}
      <Toasts />
    </>
  );
}
