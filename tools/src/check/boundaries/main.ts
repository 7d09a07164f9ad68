import { declarationViolations } from './declared.ts';
import { hostViolations, packageHosts } from './hosts.ts';
import { layerViolations } from './layers.ts';
import { readWorkspace } from './read-workspace.ts';
import { vocabularyViolations } from './vocabulary.ts';

// Run from the workspace's root by the check: prints each breach, and exits 1 when there is one.
const folder = process.cwd();
const workspace = readWorkspace(folder);
const violations = [
  ...layerViolations(workspace),
  ...declarationViolations(workspace),
  ...vocabularyViolations(workspace),
  ...hostViolations(folder, packageHosts(folder)),
];
for (const { rule, where, what } of violations) console.error(`${where}: ${rule}: ${what}`);
const fileCount = workspace.packages.reduce((sum, one) => sum + one.files.length, 0);
console.log(`${workspace.packages.length} packages, ${fileCount} sources: ${violations.length} boundary violations`);
process.exitCode = violations.length > 0 || fileCount === 0 ? 1 : 0;
