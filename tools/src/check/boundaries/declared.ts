import { importsOf, packageOf } from './imports.ts';
import { servesSpecs } from './layers.ts';
import type { SourceFile, Violation, Workspace, WorkspacePackage } from './workspace.ts';

/**
 * Checks that each import is declared: in the package's manifest, and, for packages of this workspace, in the
 * references of its tsconfig, without which `tsc -b` would build in the wrong order. Also that packages are used by
 * their public interface only: by name, never by a path into them.
 */
export function declarationViolations(workspace: Workspace): Violation[] {
  const byName = new Map(workspace.packages.map((one) => [one.name, one]));
  return workspace.packages.flatMap((one) =>
    one.files.flatMap((file) =>
      importsOf(file.text).flatMap(({ specifier, line }) => {
        const where = `${file.path}:${line}`;
        if (specifier.startsWith('.')) return leavingViolations(one, file, specifier, where);
        const name = packageOf(specifier);
        if (name === undefined || name === one.name) return [];
        const imported = byName.get(name);
        return [
          ...undeclared(workspace, one, file, name, where),
          ...(imported === undefined ? [] : workspaceImport(one, imported, specifier, where)),
        ];
      }),
    ),
  );
}

function leavingViolations(one: WorkspacePackage, file: SourceFile, specifier: string, where: string): Violation[] {
  const target = new URL(specifier, `file:///${file.path}`).pathname.slice(1);
  if (target.startsWith(`${one.root}/`)) return [];
  return [{ rule: 'public interface', where, what: `'${specifier}' leaves ${one.root}; import the package by name` }];
}

function undeclared(
  workspace: Workspace,
  one: WorkspacePackage,
  file: SourceFile,
  name: string,
  where: string,
): Violation[] {
  if (one.dependencies.has(name)) return [];
  if (servesSpecs(file.path) && (one.devDependencies.has(name) || workspace.rootDevDependencies.has(name))) return [];
  return [{ rule: 'declared imports', where, what: `${name} is not in the dependencies of ${one.root}/package.json` }];
}

function workspaceImport(
  one: WorkspacePackage,
  imported: WorkspacePackage,
  specifier: string,
  where: string,
): Violation[] {
  const violations: Violation[] = [];
  if (!imported.exports.has(`.${specifier.slice(imported.name.length)}`)) {
    const what = `'${specifier}' reaches into ${imported.name}; use what its package.json exports`;
    violations.push({ rule: 'public interface', where, what });
  }
  if (!one.references.has(imported.root)) {
    const what = `${imported.root} is not in the references of ${one.root}/tsconfig.json`;
    violations.push({ rule: 'declared imports', where, what });
  }
  return violations;
}
