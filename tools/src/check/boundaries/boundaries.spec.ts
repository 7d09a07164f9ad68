import { expect, test } from 'vitest';
import { declarationViolations } from './declared.ts';
import { importsOf } from './imports.ts';
import { layerViolations } from './layers.ts';
import { vocabularyViolations } from './vocabulary.ts';
import type { Workspace, WorkspacePackage } from './workspace.ts';

type Given = Partial<Omit<WorkspacePackage, 'files'>> & { files?: Record<string, string> };

function packageWith(name: string, root: string, layer: string, given: Given = {}): WorkspacePackage {
  const { files = {}, ...rest } = given;
  return {
    name: `@flexbso/${name}`,
    root,
    layer,
    graphDependencies: [],
    dependencies: new Set(),
    devDependencies: new Set(),
    exports: new Set(['.']),
    references: new Set(),
    ...rest,
    files: Object.entries(files).map(([path, text]) => ({ path: `${root}/src/${path}`, text })),
  };
}

function workspaceOf(...packages: WorkspacePackage[]): Workspace {
  return { packages, rootDevDependencies: new Set(['vitest']) };
}

const contracts = packageWith('contracts', 'libs/contracts', 'contracts');
const testkit = packageWith('testkit', 'libs/testkit', 'testkit');
const gateway = packageWith('gateway', 'apps/gateway', 'app');
const messaging = packageWith('messaging', 'libs/messaging', 'infrastructure');

test('an import is found in every form, over several lines, and not in a string or a comment', () => {
  const text = [
    "import { a } from './a.js';",
    'import type {',
    '  B,',
    "} from '@flexbso/contracts';",
    "export * from './c.js';",
    "import 'reflect-metadata';",
    "const d = await import('node:fs');",
    `const fixture = "import { x } from 'y'";`,
    "// import { x } from 'z'",
  ].join('\n');
  expect(importsOf(text)).toEqual([
    { specifier: './a.js', line: 1 },
    { specifier: '@flexbso/contracts', line: 4 },
    { specifier: './c.js', line: 5 },
    { specifier: 'reflect-metadata', line: 6 },
    { specifier: 'node:fs', line: 7 },
  ]);
});

test('an app that imports another app is named with its line', () => {
  const files = { 'main.ts': "\nimport { Door } from '@flexbso/gateway';" };
  const inventory = packageWith('inventory', 'apps/inventory', 'app', { files });
  expect(layerViolations(workspaceOf(gateway, inventory))).toEqual([
    expect.objectContaining({ rule: 'layers', where: 'apps/inventory/src/main.ts:2' }),
  ]);
});

test('an app that only declares another app in its manifest is found through the project graph', () => {
  const inventory = packageWith('inventory', 'apps/inventory', 'app', { graphDependencies: [gateway.name] });
  expect(layerViolations(workspaceOf(gateway, inventory))).toEqual([
    expect.objectContaining({ where: 'apps/inventory/package.json' }),
  ]);
});

test('a pure library may use contracts and nothing else', () => {
  const files = {
    'good.ts': "import { id } from '@flexbso/contracts';",
    'bad.ts': "import { bus } from '@flexbso/messaging';",
  };
  const stack = packageWith('stack', 'libs/stack', 'pure', { files });
  expect(layerViolations(workspaceOf(contracts, messaging, stack)).map(({ where }) => where)).toEqual([
    'libs/stack/src/bad.ts:1',
  ]);
});

test('a package without a known layer is refused', () => {
  expect(layerViolations(workspaceOf(packageWith('odd', 'libs/odd', '')))).toHaveLength(1);
});

test('the testkit is for specs and for what helps them, and not for what runs in production', () => {
  const text = "import { startNats } from '@flexbso/testkit';";
  const files = { 'a.int.spec.ts': text, 'testing/servers.ts': text, 'deep/testing/servers.ts': text, 'a.ts': text };
  const devDependencies = new Set([testkit.name]);
  const graphDependencies = [testkit.name];
  const app = packageWith('agent', 'apps/agent', 'app', { files, devDependencies, graphDependencies });
  expect(layerViolations(workspaceOf(testkit, app)).map(({ where }) => where)).toEqual(['apps/agent/src/a.ts:1']);
});

test('an import has to stand in the manifest, and a workspace package in the references too', () => {
  const files = { 'a.ts': "import { z } from 'zod';\nimport { id } from '@flexbso/contracts';" };
  const undeclared = packageWith('cli', 'apps/cli', 'app', { files });
  expect(declarationViolations(workspaceOf(contracts, undeclared)).map(({ what }) => what)).toEqual([
    'zod is not in the dependencies of apps/cli/package.json',
    '@flexbso/contracts is not in the dependencies of apps/cli/package.json',
    'libs/contracts is not in the references of apps/cli/tsconfig.json',
  ]);
  const declared = packageWith('cli', 'apps/cli', 'app', {
    files,
    dependencies: new Set(['zod', contracts.name]),
    references: new Set(['libs/contracts']),
  });
  expect(declarationViolations(workspaceOf(contracts, declared))).toEqual([]);
});

test("the root's test tools are for specs only", () => {
  const text = "import { test } from 'vitest';";
  const cli = packageWith('cli', 'apps/cli', 'app', { files: { 'a.spec.ts': text, 'a.ts': text } });
  expect(declarationViolations(workspaceOf(cli)).map(({ where }) => where)).toEqual(['apps/cli/src/a.ts:1']);
});

test('a package is used by its public interface only', () => {
  const files = {
    'deep.ts': "import { id } from '@flexbso/contracts/dist/ids.js';",
    'second.ts': "import { id } from '@flexbso/contracts/ids';",
    'over.ts': "import { id } from '../../../libs/contracts/src/ids.js';",
    'sub/own.ts': "import { a } from '../deep.js';",
  };
  const dependencies = new Set([contracts.name]);
  const references = new Set(['libs/contracts']);
  const cli = packageWith('cli', 'apps/cli', 'app', { files, dependencies, references });
  const twoInterfaces = { ...contracts, exports: new Set(['.', './ids']) };
  expect(declarationViolations(workspaceOf(twoInterfaces, cli)).map(({ rule, where }) => `${rule} ${where}`)).toEqual([
    'public interface apps/cli/src/deep.ts:1',
    'public interface apps/cli/src/over.ts:1',
  ]);
});

test('NATS is imported by messaging alone', () => {
  const files = { 'a.ts': "import { connect } from '@nats-io/transport-node';" };
  const packages = [packageWith('messaging', 'libs/messaging', 'infrastructure', { files })];
  expect(vocabularyViolations(workspaceOf(...packages))).toEqual([]);
  packages.push(packageWith('agent', 'apps/agent', 'app', { files }));
  expect(vocabularyViolations(workspaceOf(...packages)).map(({ where }) => where)).toEqual(['apps/agent/src/a.ts:1']);
});

test("TypeORM is imported by persistence and by a service's entities, and by nothing else of a service", () => {
  const text = "import { Entity } from 'typeorm';";
  const files = {
    'card.entity.ts': text,
    'cards-migration.ts': text,
    'cards/persistence/a.ts': text,
    'migrations/m.ts': text,
    'card.service.ts': text,
  };
  const inventory = packageWith('inventory', 'apps/inventory', 'app', { files });
  expect(vocabularyViolations(workspaceOf(inventory)).map(({ where }) => where)).toEqual([
    'apps/inventory/src/card.service.ts:1',
  ]);
});

test("a data plane's words are known to the data planes' drivers alone", () => {
  const files = { 'a.ts': ["call('block", "dev-add')"].join('') };
  const packages = [packageWith('dataplane-qsd', 'libs/dataplane/qsd', 'dataplane', { files })];
  expect(vocabularyViolations(workspaceOf(...packages))).toEqual([]);
  packages.push(packageWith('stack', 'libs/stack', 'pure', { files }));
  expect(vocabularyViolations(workspaceOf(...packages)).map(({ rule }) => rule)).toEqual(['data-plane words']);
});
