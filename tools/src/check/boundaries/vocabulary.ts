import { importsOf, lineOf, packageOf } from './imports.ts';
import type { Violation, Workspace } from './workspace.ts';

/** Whose business a foreign library is. */
interface Ownership {
  readonly rule: string;
  readonly owns: (packageName: string) => boolean;
  readonly allowed: RegExp;
  readonly instead: string;
}

const ownerships: readonly Ownership[] = [
  {
    rule: 'NATS',
    owns: (name) => name.startsWith('@nats-io/') || name === 'nats',
    allowed: /^libs\/messaging\//,
    instead: 'use @flexbso/messaging',
  },
  {
    rule: 'TypeORM',
    owns: (name) => name === 'typeorm',
    allowed:
      /^libs\/persistence\/|^apps\/[^/]+\/src\/(?:.*\/)?(?:[^/]+[.-](?:entity|migration)\.ts$|persistence\/|migrations\/)/,
    instead: "only @flexbso/persistence and a service's entities, migrations and persistence/ folders know it",
  },
];

// Commands of QEMU's monitor protocol: who spells one out drives a data plane past its port.
const monitorWords =
  /\b(?:x-)?(?:blockdev-[a-z]+|block-(?:export|job|dirty-bitmap|commit|stream)[a-z-]*|debug-query-[a-z-]+|qom-(?:set|get|list)|qmp_capabilities|nbd-server-[a-z]+|query-(?:jobs|named-block-nodes|block-exports|block-jobs|blockstats))\b/g;
// The benchmark compares the system with the same done by raw calls, and an end-to-end test shows that a trace reaches
// the calls themselves, so both have to spell them; this file lists them.
const mayUseMonitorWords =
  /^libs\/dataplane\/|^tools\/src\/(?:bench\/|e2e\/changes\.int\.spec|check\/boundaries\/vocabulary)/;

/** Checks that only the owners of NATS, of TypeORM and of a data plane's words know them. */
export function vocabularyViolations(workspace: Workspace): Violation[] {
  return workspace.packages.flatMap((one) =>
    one.files.flatMap((file) => [
      ...importsOf(file.text).flatMap(({ specifier, line }) => {
        const name = packageOf(specifier) ?? '';
        return ownerships
          .filter(({ owns, allowed }) => owns(name) && !allowed.test(file.path))
          .map(({ rule, instead }) => ({ rule, where: `${file.path}:${line}`, what: `imports ${name}; ${instead}` }));
      }),
      ...(mayUseMonitorWords.test(file.path) ? [] : wordViolations(file.path, file.text)),
    ]),
  );
}

function wordViolations(path: string, text: string): Violation[] {
  return [...text.matchAll(monitorWords)].map((match) => ({
    rule: 'data-plane words',
    where: `${path}:${lineOf(text, match.index)}`,
    what: `'${match[0]}' is a word of one data plane; only libs/dataplane knows it`,
  }));
}
