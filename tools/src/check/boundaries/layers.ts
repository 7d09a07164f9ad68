import { importsOf, packageOf } from './imports.ts';
import type { Violation, Workspace, WorkspacePackage } from './workspace.ts';

const libraries = ['contracts', 'pure', 'port', 'dataplane', 'infrastructure'] as const;

/** Which layers a layer may use. Apps are in nobody's list: they meet over the bus and HTTP only. */
const mayUse: Readonly<Record<string, readonly string[]>> = {
  contracts: [],
  pure: ['contracts'],
  port: ['contracts', 'pure'],
  dataplane: ['contracts', 'pure', 'port'],
  infrastructure: ['contracts', 'infrastructure'],
  testkit: libraries,
  app: libraries,
  tools: [...libraries, 'testkit', 'tools'],
  // It runs the deciding code of several services in one process, and nothing depends on it.
  simulation: [...libraries, 'app'],
};

/** Specs may start real servers; the pure layers' specs have no need to. */
const specsMayUseTestkit = new Set(['port', 'dataplane', 'infrastructure', 'app', 'tools', 'testkit']);

/** Whether a file is a spec or, in a folder `testing`, helps specs of its own package. */
export function servesSpecs(path: string): boolean {
  return path.endsWith('.spec.ts') || /\/src\/(?:.*\/)?testing\//.test(path);
}

/** Checks every edge of the project graph, and every import in the sources, against the layers. */
export function layerViolations(workspace: Workspace): Violation[] {
  const byName = new Map(workspace.packages.map((one) => [one.name, one]));
  return workspace.packages.flatMap((one) => {
    if (!(one.layer in mayUse)) {
      const what = `has the tag 'layer:${one.layer}'; known are ${Object.keys(mayUse).join(', ')}`;
      return [{ rule: 'layers', where: `${one.root}/package.json`, what }];
    }
    return [...graphViolations(one, byName), ...importViolations(one, byName)];
  });
}

function graphViolations(one: WorkspacePackage, byName: ReadonlyMap<string, WorkspacePackage>): Violation[] {
  return one.graphDependencies.flatMap((name) => {
    // Whether a spec alone uses it is decided where the imports are.
    const onlyForSpecs = one.devDependencies.has(name) && !one.dependencies.has(name);
    return refusal(one, byName.get(name), onlyForSpecs, `${one.root}/package.json`);
  });
}

function importViolations(one: WorkspacePackage, byName: ReadonlyMap<string, WorkspacePackage>): Violation[] {
  return one.files.flatMap((file) =>
    importsOf(file.text).flatMap(({ specifier, line }) =>
      refusal(one, byName.get(packageOf(specifier) ?? ''), servesSpecs(file.path), `${file.path}:${line}`),
    ),
  );
}

function refusal(
  from: WorkspacePackage,
  to: WorkspacePackage | undefined,
  forSpecs: boolean,
  where: string,
): Violation[] {
  if (to === undefined || to.name === from.name) return [];
  if (mayUse[from.layer]?.includes(to.layer) === true) return [];
  if (forSpecs && to.layer === 'testkit' && specsMayUseTestkit.has(from.layer)) return [];
  const allowed = mayUse[from.layer]?.join(', ') || 'nothing';
  const what = `${from.name} (${from.layer}) uses ${to.name} (${to.layer}); ${from.layer} may use: ${allowed}`;
  return [{ rule: 'layers', where, what }];
}
