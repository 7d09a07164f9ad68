/** A TypeScript source of a package. */
export interface SourceFile {
  /** From the workspace's root, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** A package as its manifest, its tsconfig and nx see it. */
export interface WorkspacePackage {
  readonly name: string;
  /** Its folder, from the workspace's root. */
  readonly root: string;
  /** What its nx tag `layer:…` says; empty when it has none. */
  readonly layer: string;
  /** Packages of this workspace that it depends on, by nx's project graph. */
  readonly graphDependencies: readonly string[];
  /** Every name in `dependencies`, `optionalDependencies` and `peerDependencies`. */
  readonly dependencies: ReadonlySet<string>;
  /** Every name in its own `devDependencies`: enough for its specs. */
  readonly devDependencies: ReadonlySet<string>;
  /** What its manifest exports: `.` and, for a package with several public interfaces, `./name`. */
  readonly exports: ReadonlySet<string>;
  /** Folders, from the workspace's root, that its tsconfig.json references. */
  readonly references: ReadonlySet<string>;
  readonly files: readonly SourceFile[];
}

/** What the boundary rules look at. */
export interface Workspace {
  readonly packages: readonly WorkspacePackage[];
  /** Names that the root's manifest gives every package's specs (vitest, fast-check, …). */
  readonly rootDevDependencies: ReadonlySet<string>;
}

/** One breach of one rule. */
export interface Violation {
  readonly rule: string;
  /** Path, with `:line` where it is one line. */
  readonly where: string;
  /** What is wrong and what to do instead. */
  readonly what: string;
}
