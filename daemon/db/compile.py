#!/usr/bin/env python3
"""Compiles SQL statements and migrations into C.

    compile.py --statements-header H --statements C --migrations C FILE.sql...
    compile.py --check-ownership FILE.sql...

A file named NNNN_name.sql is a migration; its text is kept byte for byte. Every other file holds
statements and fragments:

    -- fragment: tenant_document(t)
    jsonb_build_object('id', t.id, 'name', t.name)
    -- statement: get_tenant
    select {{tenant_document x}} as document from tenant x where {{own x}} and x.id = :id

A fragment is text, shared by all files; its use puts the arguments for the whole words that name
its parameters. Three fragments are built in: {{own x}} closes a statement to one tenant in the
tenant's wordings and leaves it open in the operator's; {{page x.id}} goes on behind :cursor for
:limit rows and one more, newest first or, in the ascending wordings, oldest first;
{{page_by_number x.number}} does so where the cursor is a number.

A statement headed "-- statement: name keyed" answers requests that bear an Idempotency-Key: what it
gives is kept with the key in the same transaction (table idempotency_keys).

A domain writes only its own tables. It lets others write them through a fragment in its own file,
which is checked as its own.
"""

import argparse
import hashlib
import os
import re
import sys
from typing import NamedTuple

VARIANTS = ("STATEMENT_TENANT", "STATEMENT_TENANT_ASCENDING",
            "STATEMENT_OPERATOR", "STATEMENT_OPERATOR_ASCENDING")
PARAMETERS_LIMIT = 32  # STATEMENT_PARAMETERS_LIMIT of statement.h
NAME_LIMIT = 58  # PostgreSQL keeps 63 bytes of a prepared statement's name; a suffix is added
LITERAL_WIDTH = 88

MIGRATION = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
HEADING = re.compile(r"--\s*(statement|fragment)\s*:\s*(.*?)\s*")
STATEMENT = re.compile(r"[a-z][a-z0-9_]*")
FRAGMENT = re.compile(r"([a-z][a-z0-9_]*)(?:\(([a-z0-9_, ]*)\))?")
USE = re.compile(r"([a-z][a-z0-9_]*)(?:\s+(.*))?", re.DOTALL)
DOMAIN = re.compile(r"'domain:\s*([a-z_]+)\s*(?:;.*)?'", re.DOTALL)

TOKEN = re.compile(r"""
    (?P<comment>--[^\n]*|/\*.*?\*/)
  | (?P<string>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$)
  | (?P<identifier>"(?:[^"]|"")*")
  | (?P<use>\{\{.*?\}\})
  | (?P<operator>::|:=)
  | (?P<parameter>:[a-z_][a-z0-9_]*)
  | (?P<positional>\$\d+)
  | (?P<unclosed>['"]|\{\{|/\*|\$\w*\$)
  | (?P<word>[^\W\d]\w*)
  | (?P<number>\d[\w.]*)
  | (?P<space>\s+)
  | (?P<other>.)
""", re.DOTALL | re.VERBOSE)


class Mistake(Exception):
    """What is wrong with a source, said as file:line: what."""


class Token(NamedTuple):
    kind: str
    text: str
    file: str
    line: int

    def mistake(self, what):
        return Mistake(f"{self.file}:{self.line}: {what}")

    def is_word(self, *words):
        return self.kind == "word" and self.text.lower() in words


class Block(NamedTuple):
    """A statement or a fragment; `heading` tells where it stands."""
    name: str
    parameters: list
    tokens: list
    heading: Token
    keyed: bool = False


class Migration(NamedTuple):
    number: int
    name: str
    data: bytes
    path: str


def tokens_of(text, file, line=1):
    """Splits SQL; comments count as white space."""
    result = []
    for match in TOKEN.finditer(text):
        kind = match.lastgroup if match.lastgroup != "tag" else "string"
        token = Token("space" if kind == "comment" else kind, match.group(), file, line)
        if kind == "unclosed":
            raise token.mistake(f"{token.text} is not closed")
        result.append(token._replace(text=" ") if kind == "comment" else token)
        line += match.group().count("\n")
    return result


def heading_of(token, what):
    """The block that a heading line begins."""
    if token.kind == "statement":
        what, _, flag = what.partition(" ")
        if flag not in ("", "keyed"):
            raise token.mistake(f"behind a statement's name stands 'keyed' or nothing, not '{flag}'")
        if STATEMENT.fullmatch(what) is None or len(what) > NAME_LIMIT:
            raise token.mistake(f"a statement's name is {STATEMENT.pattern}, at most {NAME_LIMIT} "
                                f"characters, not '{what}'")
        return Block(what, [], [], token, flag == "keyed")
    match = FRAGMENT.fullmatch(what)
    if match is None:
        raise token.mistake(f"a fragment is headed name(parameter, ...), not '{what}'")
    parameters = [word.strip() for word in (match.group(2) or "").split(",") if word.strip()]
    return Block(match.group(1), parameters, [], token)


def blocks_of(text, file):
    """The statements and fragments of one file, in their order."""
    blocks = []
    start, body = 1, []
    lines = text.split("\n")
    for line, content in enumerate(lines + ["-- statement: end"], 1):
        match = HEADING.fullmatch(content)
        if match is None:
            body.append(content)
            continue
        tokens = tokens_of("\n".join(body), file, start)
        if blocks:
            blocks[-1].tokens.extend(tokens)
        else:
            for token in tokens:
                if token.kind != "space":
                    raise token.mistake("SQL before the first '-- statement:' or '-- fragment:'")
        heading = Token(match.group(1), match.group(), file, line)
        blocks.append(heading_of(heading, match.group(2)))
        start, body = line + 1, []
    return blocks[:-1]


def arguments_of(text):
    """Splits at the commas outside brackets."""
    parts, depth = [""], 0
    for character in text or "":
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts] if text else []


class Sources:
    """All blocks and migrations of the files on the command line."""

    def __init__(self, paths):
        self.statements, self.fragments, self.migrations = {}, {}, []
        self.blocks = []
        for file, path in sorted((file_of(path), path) for path in paths):
            with open(path, "rb") as source:
                self.read(file, path, source.read())
        self.migrations.sort()
        for before, after in zip(self.migrations, self.migrations[1:]):
            if before.number == after.number:
                raise Mistake(f"{after.path}:1: number {after.number:04} is taken by {before.path}")

    def read(self, file, path, data):
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Mistake(f"{path}:1: not UTF-8: {error}") from error
        match = MIGRATION.fullmatch(os.path.basename(path))
        if match is not None:
            if "\0" in text:
                raise Mistake(f"{path}:1: a NUL byte")
            self.migrations.append(Migration(int(match.group(1)), os.path.basename(path)[:-4], data,
                                             path))
            return
        for block in blocks_of(text, file):
            known = self.statements if block.heading.kind == "statement" else self.fragments
            if block.name in known or block.name in BUILT_IN:
                raise block.heading.mistake(f"{block.heading.kind} {block.name} is there already")
            known[block.name] = block
            self.blocks.append(block)

    def expand(self, tokens, variant, within=()):
        """Puts fragments in the place of their uses."""
        result = []
        for token in tokens:
            if token.kind != "use":
                result.append(token)
                continue
            match = USE.fullmatch(token.text[2:-2].strip())
            if match is None:
                raise token.mistake(f"not the use of a fragment: {token.text}")
            name, arguments = match.group(1), arguments_of(match.group(2))
            if name in within:
                raise token.mistake(f"fragment {name} uses itself")
            body = self.body(token, name, arguments, variant)
            result += self.expand(body, variant, within + (name,))
        return result

    def body(self, use, name, arguments, variant):
        if name in BUILT_IN:
            if len(arguments) != 1:
                raise use.mistake(f"{{{{{name}}}}} takes one argument")
            return tokens_of(BUILT_IN[name](arguments[0], variant), use.file, use.line)
        if name not in self.fragments:
            raise use.mistake(f"there is no fragment {name}")
        fragment = self.fragments[name]
        if len(arguments) != len(fragment.parameters):
            raise use.mistake(f"fragment {name} takes {len(fragment.parameters)} arguments, not "
                              f"{len(arguments)}")
        return substituted(fragment, dict(zip(fragment.parameters, arguments)))


def own(alias, variant):
    if variant.startswith("STATEMENT_TENANT"):
        return f"{alias}.tenant_id = :tenant"
    return f"(:tenant::text is null or {alias}.tenant_id = :tenant)"


def page(column, variant, cursor=":cursor"):
    ascending = variant.endswith("ASCENDING")
    return (f"and (:cursor::text is null or {column} {'>' if ascending else '<'} {cursor}) "
            f"order by {column} {'asc' if ascending else 'desc'} limit :limit::bigint + 1")


def page_by_number(column, variant):
    return page(column, variant, ":cursor::bigint")


BUILT_IN = {"own": own, "page": page, "page_by_number": page_by_number}


def substituted(fragment, arguments):
    """A fragment's tokens with the arguments for its parameters."""
    if not arguments:
        return fragment.tokens
    words = re.compile(r"(?<![\w:])(" + "|".join(map(re.escape, arguments)) + r")(?!\w)")
    result = []
    for token in fragment.tokens:
        if token.kind == "word" and token.text in arguments:
            result += tokens_of(arguments[token.text], token.file, token.line)
        elif token.kind == "use":
            name, blank, rest = token.text[2:-2].strip().partition(" ")
            rest = words.sub(lambda match: arguments[match.group()], rest)
            result.append(token._replace(text="{{" + name + blank + rest + "}}"))
        else:
            result.append(token)
    return result


def text_of(tokens, parameters):
    """The SQL as PostgreSQL gets it; parameters not yet in the list are added to it."""
    text, last = "", None
    for index, token in enumerate(tokens):
        if token.kind == "space":
            following = tokens[index + 1] if index + 1 < len(tokens) else None
            # Two literals are one when a new line stands between them.
            joined = (last is not None and following is not None and "\n" in token.text
                      and last.kind == following.kind == "string")
            text += "\n" if joined else "" if text.endswith((" ", "\n")) else " "
            continue
        if token.kind == "parameter":
            if token.text[1:] not in parameters:
                parameters.append(token.text[1:])
            text += f"${parameters.index(token.text[1:]) + 1}"
        else:
            text += token.text
        last = token
    return text.strip()


def final_select(tokens):
    """The place of the word select that gives the statement's rows."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.is_word("select"):
            return index
    return None


def kept(tokens, heading):
    """The statement with its answer kept under the request's Idempotency-Key, where it has one."""
    start = final_select(tokens)
    if start is None:
        raise heading.mistake("a keyed statement gives its answer by a select")
    before = [token for token in tokens[:start] if token.kind != "space"]
    answer = tokens[start:]
    names = {token.text.lower() for token in answer if token.kind == "word"}

    def column(name, otherwise="null::text"):
        return f"a.{name}" if name in names else otherwise

    opening = ", answer as (" if before else "with answer as ("
    closing = f"""), kept as (
        insert into idempotency_keys (scope, key, digest, status, location, etag, body)
        select :actor, :idempotency_key, :idempotency_digest, :idempotency_status::smallint,
               {column("location")}, {column("version")}::text, {column("document")}::text
        from answer a
        where :idempotency_key::text is not null and {column("outcome", "'ok'")} = 'ok')
        select answer.* from answer"""
    end = len(tokens[:start])
    while end > 0 and tokens[end - 1].kind == "space":
        end -= 1
    return (tokens[:end] + tokens_of(opening, heading.file, heading.line) + answer
            + tokens_of(closing, heading.file, heading.line))


def inspect(block):
    """Refuses what no statement may hold."""
    words = [token for token in block.tokens if token.kind != "space"]
    while words and words[-1].text == ";":
        block.tokens.remove(words.pop())
    if not words:
        raise block.heading.mistake(f"{block.heading.kind} {block.name} is empty")
    for token, following in zip(words, words[1:] + [block.heading]):
        if token.kind == "positional":
            raise token.mistake(f"write a parameter as :name, not {token.text}")
        if token.text == ";":
            raise token.mistake("a statement is one statement")
        if token.is_word("select", "returning") and following.text == "*":
            raise token.mistake(f"'{token.text.lower()} *' is banned: name the columns")


def literal(text, indent):
    """A C string literal in lines of a bounded width, broken after blanks and new lines."""
    pieces, current = [], ""
    for word in re.findall(r"[^ \n]*[ \n]?", text):
        escaped = "".join(escape(character) for character in word)
        if current and len(current) + len(escaped) > LITERAL_WIDTH:
            pieces.append(current)
            current = ""
        current += escaped
        if word.endswith("\n"):
            pieces.append(current)
            current = ""
    if current or not pieces:
        pieces.append(current)
    return ("\n" + indent).join(f'"{piece}"' for piece in pieces)


def escape(character):
    if character in '"\\':
        return "\\" + character
    if character == "\n":
        return "\\n"
    if character == "?":
        return "\\?"  # no trigraphs
    if ord(character) < 32 or ord(character) == 127:
        return f"\\{ord(character):03o}"
    return character


def file_of(path):
    """The path as it is from the top of the source tree, wherever the build runs."""
    parts = os.path.normpath(path).replace(os.sep, "/").split("/")
    for top in ("daemon", "deploy"):
        if top in parts[:-1]:
            place = len(parts) - 1 - parts[::-1].index(top)
            return "/".join(parts[place:])
    return "/".join(parts)


def compile_statement(sources, block, number):
    inspect(block)
    parameters, texts = [], []
    for variant in VARIANTS:
        tokens = sources.expand(block.tokens, variant)
        texts.append(text_of(kept(tokens, block.heading) if block.keyed else tokens, parameters))
    if len(parameters) > PARAMETERS_LIMIT:
        raise block.heading.mistake(f"{block.name} has {len(parameters)} parameters; "
                                    f"{PARAMETERS_LIMIT} are the most")
    # Wordings that are the same share one constant, and so one prepared statement.
    lines = []
    for index, text in enumerate(texts):
        if texts.index(text) == index:
            lines.append(f"static const char text_{block.name}_{index}[] =\n    "
                         f"{literal(text, '    ')};")
    lines.append(f"const struct statement statement_{block.name} = {{")
    lines.append(f"    .name = \"{block.name}\",")
    lines.append(f"    .file = {literal(block.heading.file, '')},")
    for variant, text in zip(VARIANTS, texts):
        lines.append(f"    .text[{variant}] = text_{block.name}_{texts.index(text)},")
    lines.append(f"    .parameter_count = {len(parameters)},")
    if parameters:
        names = ", ".join(f'"{name}"' for name in parameters)
        lines.append(f"    .parameters = {{{names}}},")
    if block.keyed:
        lines.append("    .keyed = true,")
    lines.append(f"    .number = {number},")
    lines.append("};")
    return "\n".join(lines)


def statements_source(sources):
    for fragment in sources.fragments.values():
        inspect(fragment)
    parts = ["/* Made by daemon/db/compile.py. */", '#include "statements.h"']
    names = list(sources.statements)
    parts += [compile_statement(sources, sources.statements[name], number)
              for number, name in enumerate(names)]
    table = "".join(f"    &statement_{name},\n" for name in names)
    parts.append(f"const struct statement *const statements[] = {{\n{table}    0,\n}};")
    parts.append(f"const size_t statement_count = {len(names)};")
    return "\n\n".join(parts) + "\n"


def statements_header(sources):
    lines = ["/* Made by daemon/db/compile.py. */", "#ifndef DAEMON_STATEMENTS_H",
             "#define DAEMON_STATEMENTS_H", "", '#include "daemon/db/statement.h"', ""]
    lines += [f"extern const struct statement statement_{name}; /* {block.heading.file} */"
              for name, block in sources.statements.items()]
    return "\n".join(lines + ["", "#endif"]) + "\n"


def migrations_source(sources):
    rows = []
    for migration in sources.migrations:
        digest = hashlib.sha256(migration.data).hexdigest()
        text = literal(migration.data.decode("utf-8"), "     ")
        rows.append(f'    {{{migration.number}, "{migration.name}",\n     {text},\n'
                    f'     "{digest}"}},\n')
    return ("/* Made by daemon/db/compile.py. */\n\n#include \"daemon/db/migration.h\"\n\n"
            f"const struct migration migrations[] = {{\n{''.join(rows)}    {{0, 0, 0, 0}},\n}};\n\n"
            f"const size_t migration_count = {len(sources.migrations)};\n")


def name_at(tokens, index):
    """The table's name that begins there, without its schema and quotes."""
    while index + 2 < len(tokens) and tokens[index + 1].text == ".":
        index += 2
    return tokens[index].text.strip('"').lower() if index < len(tokens) else ""


def owners_of(migrations):
    """Table to domain, from: comment on table x is 'domain: tenants; ...'."""
    owners = {}
    for migration in migrations:
        tokens = [token for token in tokens_of(migration.data.decode("utf-8"), migration.path)
                  if token.kind != "space"]
        for index, token in enumerate(tokens):
            words = [each.text.lower() for each in tokens[index:index + 3]]
            if words != ["comment", "on", "table"]:
                continue
            end = next((place for place in range(index + 3, len(tokens))
                        if tokens[place].kind == "string"), None)
            match = DOMAIN.fullmatch(tokens[end].text) if end is not None else None
            if match is not None:
                owners[name_at(tokens, index + 3)] = match.group(1)
    return owners


def written_at(tokens, index):
    """The place of the name of the table that the word at `index` writes, or None."""
    def word(place, *words):
        return 0 <= place < len(tokens) and tokens[place].is_word(*words)

    target = None
    if word(index, "insert", "merge") and word(index + 1, "into"):
        target = index + 2
    elif word(index, "delete") and word(index + 1, "from"):
        target = index + 2
    elif word(index, "truncate"):
        target = index + 2 if word(index + 1, "table") else index + 1
    elif word(index, "update") and not word(index - 1, "for", "key", "do", "then"):
        target = index + 1
    if target is not None and word(target, "only"):
        target += 1
    return target


def ownership_violations(sources):
    owners = owners_of(sources.migrations)
    for block in sources.blocks:
        domain = os.path.basename(os.path.dirname(block.heading.file))
        tokens = [token for token in block.tokens if token.kind != "space"]
        for index, token in enumerate(tokens):
            target = written_at(tokens, index)
            if target is None:
                continue
            table = name_at(tokens, target)
            owner = owners.get(table)
            if owner is None:
                yield (f"{token.file}:{token.line}: table {table} has no owner: "
                       f"comment on table {table} is 'domain: ...'")
            elif owner != domain:
                yield (f"{token.file}:{token.line}: {block.name} writes {table}, which is "
                       f"{owner}'s, not {domain}'s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--statements-header", metavar="H")
    parser.add_argument("--statements", metavar="C")
    parser.add_argument("--migrations", metavar="C")
    parser.add_argument("--check-ownership", action="store_true")
    parser.add_argument("files", nargs="*", metavar="FILE.sql")
    options = parser.parse_args()
    try:
        sources = Sources(options.files)
        if options.check_ownership:
            violations = list(ownership_violations(sources))
            print("".join(violation + "\n" for violation in violations), end="")
            return 1 if violations else 0
        outputs = [(options.statements_header, statements_header), (options.statements,
                   statements_source), (options.migrations, migrations_source)]
        texts = [(path, render(sources)) for path, render in outputs if path]
    except (Mistake, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    for path, text in texts:
        with open(path, "w", encoding="utf-8", newline="\n") as output:
            output.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
