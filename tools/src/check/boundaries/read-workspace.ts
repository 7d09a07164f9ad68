import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SourceFile, Workspace, WorkspacePackage } from './workspace.ts';

// nx needs one to two seconds for this; a minute is a hang.
const graphTimeoutMs = 60_000;

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads the workspace in a folder: nx's project graph for packages, tags and edges; manifests and tsconfigs for what
 * is declared; the sources for what is really imported (without plugins, nx takes its edges from manifests only).
 *
 * @throws when nx cannot make its graph, or a file is missing or not what it should be
 */
export function readWorkspace(folder: string): Workspace {
  const graph = object(readGraph(folder)['graph'], 'graph');
  const edges = object(graph['dependencies'], 'graph.dependencies');
  const packages = Object.entries(object(graph['nodes'], 'graph.nodes')).map(([name, node]) => {
    const data = object(object(node, name)['data'], `${name}.data`);
    return readPackage(folder, name, data, array(edges[name]));
  });
  return { packages, rootDevDependencies: keysOf(readJson(join(folder, 'package.json')), 'devDependencies') };
}

function readGraph(folder: string): Json {
  const output = mkdtempSync(join(tmpdir(), 'flexbso-graph-'));
  try {
    const file = join(output, 'graph.json');
    execFileSync('nx', ['graph', `--file=${file}`], {
      cwd: folder,
      env: { ...process.env, NX_DAEMON: 'false' },
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: graphTimeoutMs,
    });
    return readJson(file);
  } finally {
    rmSync(output, { recursive: true });
  }
}

function readPackage(folder: string, name: string, data: Json, edges: readonly unknown[]): WorkspacePackage {
  const root = text(data['root'], `${name}.data.root`);
  const manifest = readJson(join(folder, root, 'package.json'));
  const tags = array(data['tags']).map((tag) => text(tag, `${name}.data.tags`));
  const tsconfig = readJson(join(folder, root, 'tsconfig.json'));
  return {
    name,
    root,
    layer: tags.find((tag) => tag.startsWith('layer:'))?.slice('layer:'.length) ?? '',
    graphDependencies: edges.map((edge) => text(object(edge, name)['target'], `${name}: target`)),
    dependencies: new Set(
      ['dependencies', 'optionalDependencies', 'peerDependencies'].flatMap((kind) => [...keysOf(manifest, kind)]),
    ),
    devDependencies: keysOf(manifest, 'devDependencies'),
    exports: keysOf(manifest, 'exports'),
    references: new Set(
      array(tsconfig['references']).map((one) => join(root, text(object(one, root)['path'], `${root}: reference`))),
    ),
    files: readSources(folder, root),
  };
}

function readSources(folder: string, root: string): SourceFile[] {
  return globSync(`${root}/src/**/*.{ts,tsx,mts}`, { cwd: folder })
    .toSorted()
    .map((path) => ({ path, text: readFileSync(join(folder, path), 'utf8') }));
}

function readJson(file: string): Json {
  return object(JSON.parse(readFileSync(file, 'utf8')), file);
}

function keysOf(manifest: Json, kind: string): ReadonlySet<string> {
  return new Set(Object.keys(object(manifest[kind] ?? {}, kind)));
}

function array(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function object(value: unknown, what: string): Json {
  if (!isObject(value)) throw new TypeError(`${what} is not a JSON object`);
  return value;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new TypeError(`${what} is not a string`);
  return value;
}
