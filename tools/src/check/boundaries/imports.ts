/** One module specifier that a source file imports, re-exports or loads. */
export interface Import {
  /** As it stands in the source: `./legs.js`, `@flexbso/contracts`, `node:fs`. */
  readonly specifier: string;
  /** Line of the specifier, from 1. */
  readonly line: number;
}

// A statement begins its line, so that an import within a string (a fixture of a spec) is not taken for one.
// TypeScript 7 offers no syntax tree to programs; for import statements a pattern is enough.
const statement = /^[ \t]*(?:import|export)\b[^'"`;]*?\bfrom\s*(['"])([^'"\n]+)\1/gm;
const sideEffect = /^[ \t]*import\s*(['"])([^'"\n]+)\1/gm;
const dynamic = /\b(?:import|require)\(\s*(['"])([^'"\n]+)\1\s*\)/g;

/** Finds what a TypeScript source imports, in the order of its lines; type imports count too. */
export function importsOf(text: string): Import[] {
  const found: Import[] = [];
  for (const pattern of [statement, sideEffect, dynamic]) {
    for (const match of text.matchAll(pattern)) {
      const specifier = match[2] ?? '';
      found.push({ specifier, line: lineOf(text, match.index + match[0].lastIndexOf(specifier)) });
    }
  }
  return found.toSorted((one, other) => one.line - other.line);
}

/** The package that a bare specifier names: `@scope/name` or `name`; nothing for relative ones and Node's own. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('/') || specifier.startsWith('node:')) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Line of a character of a text, from 1. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
