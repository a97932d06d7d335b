// The contract as a document to be read: operations by tag, references resolved, examples made.
import { language } from "../words/words";

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  enum?: string[];
  const?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  maxItems?: number;
  maxLength?: number;
  required?: string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  oneOf?: Schema[];
  anyOf?: Schema[];
  examples?: unknown[];
  additionalProperties?: boolean | Schema;
}

export interface Parameter {
  $ref?: string;
  name: string;
  in: "path" | "query" | "header";
  description?: string;
  required?: boolean;
  schema: Schema;
  example?: unknown;
}

type Content = Record<string, { schema?: Schema }>;
interface Answer {
  $ref?: string;
  description?: string;
  content?: Content;
}

interface Described {
  operationId: string;
  tags?: string[];
  summary?: string;
  description?: string;
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content: Content };
  responses: Record<string, Answer>;
  "x-permission"?: string;
  "x-audience"?: string;
}

interface TwoTongued {
  status: number;
  title: string;
  title_zh: string;
  detail: string;
  detail_zh: string;
}

export interface Transition {
  kinds: string[];
  from: string[];
  to: string;
  to_with_vendor?: string;
  by_tenant: boolean;
}

export interface Contract {
  info: { title: string; version: string; summary: string; description: string };
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, unknown>>;
  components: {
    schemas: Record<string, Schema>;
    parameters: Record<string, Parameter>;
    responses: Record<string, Answer>;
    "x-problems": Record<string, TwoTongued>;
    "x-formats": Record<string, { expected: string; expected_zh: string }>;
    "x-permissions": Record<string, string>;
    "x-transitions": Record<string, Transition[]>;
  };
}

export interface Operation {
  id: string;
  tag: string;
  method: string;
  path: string;
  summary: string;
  description: string;
  permission: string | null;
  audience: string | null;
  parameters: Parameter[];
  body: { type: string; schema: Schema; required: boolean } | null;
  answers: { status: string; description: string; type: string | null; schema: Schema | null }[];
  refusals: number[];
}

const METHODS = ["get", "post", "put", "patch", "delete"];
const DEEPEST = 6; // of an example

function target(contract: Contract, reference: string): unknown {
  return reference
    .slice(2)
    .split("/")
    .reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], contract);
}

export function resolve<T extends { $ref?: string }>(contract: Contract, thing: T): T {
  if (thing.$ref === undefined) return thing;
  const { $ref, ...beside } = thing;
  return { ...resolve(contract, target(contract, $ref) as T), ...beside } as T;
}

/** The name that a reference ends with. */
export function nameOf(schema: Schema): string | null {
  return schema.$ref?.split("/").pop() ?? null;
}

function firstContent(content: Content | undefined): { type: string; schema: Schema } | null {
  const entries = Object.entries(content ?? {});
  const [type, { schema }] = entries.find(([name]) => name === "application/json") ?? entries[0] ?? ["", {}];
  return schema === undefined ? null : { type, schema };
}

function operationOf(contract: Contract, path: string, method: string): Operation {
  const shared = (contract.paths[path]!["parameters"] ?? []) as Parameter[];
  const described = contract.paths[path]![method] as Described;
  const content = firstContent(described.requestBody?.content);
  const statuses = Object.entries(described.responses);
  const succeeds = (status: string) => status.startsWith("2") || status.startsWith("3");
  return {
    id: described.operationId,
    tag: described.tags?.[0] ?? "",
    method: method.toUpperCase(),
    path,
    summary: described.summary ?? described.operationId,
    description: described.description ?? "",
    permission: described["x-permission"] ?? null,
    audience: described["x-audience"] ?? null,
    parameters: [...shared, ...(described.parameters ?? [])].map((each) => resolve(contract, each)),
    body: content && { ...content, required: described.requestBody?.required ?? false },
    answers: statuses
      .filter(([status]) => succeeds(status))
      .map(([status, answer]) => {
        const resolved = resolve(contract, answer);
        const first = firstContent(resolved.content);
        return {
          status,
          description: resolved.description ?? "",
          type: first?.type ?? null,
          schema: first?.schema ?? null,
        };
      }),
    refusals: statuses.map(([status]) => Number(status)).filter((status) => status >= 400),
  };
}

export function operationsOf(contract: Contract): Operation[] {
  return Object.keys(contract.paths).flatMap((path) =>
    METHODS.filter((method) => contract.paths[path]![method] !== undefined).map((method) =>
      operationOf(contract, path, method),
    ),
  );
}

/** A value as the schema's examples have it. */
export function exampleOf(contract: Contract, given: Schema, depth = 0): unknown {
  const schema = resolve(contract, given);
  if (schema.examples && schema.examples.length > 0) return schema.examples[0];
  if (schema.const !== undefined) return schema.const;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  const choice = (schema.oneOf ?? schema.anyOf)?.[0];
  if (choice) return exampleOf(contract, choice, depth);
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "array") return depth > DEEPEST || !schema.items ? [] : [exampleOf(contract, schema.items, depth + 1)];
  if (schema.properties && depth <= DEEPEST)
    return Object.fromEntries(
      Object.entries(schema.properties).map(([name, each]) => [name, exampleOf(contract, each, depth + 1)]),
    );
  switch (type) {
    case "object":
      return {};
    case "integer":
      return schema.minimum ?? 1;
    case "boolean":
      return true;
    case "null":
      return null;
    default:
      return "…";
  }
}

/** The body of a request by its required fields alone, the least that is accepted. */
export function leastBody(contract: Contract, given: Schema): unknown {
  const schema = resolve(contract, given);
  const choice = (schema.oneOf ?? schema.anyOf)?.[0];
  if (choice) return leastBody(contract, choice);
  if (schema.properties && !schema.examples)
    return Object.fromEntries(
      Object.entries(schema.properties)
        .filter(([name]) => schema.required?.includes(name))
        .map(([name, each]) => [name, exampleOf(contract, each)]),
    );
  return exampleOf(contract, schema);
}

export function problemText(problem: TwoTongued): { title: string; detail: string } {
  return language() === "en"
    ? { title: problem.title, detail: problem.detail }
    : { title: problem.title_zh, detail: problem.detail_zh };
}

export function formatText(contract: Contract, format: string): string | null {
  const found = contract.components["x-formats"][format];
  if (found === undefined) return null;
  return language() === "en" ? found.expected : found.expected_zh;
}
