import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Plant, plants } from './plants.js';

/** Has what is imported from now on in this thread hold the defect. @throws when there is none of this name */
export function plant(name: string): void {
  const found = plants[name];
  if (found === undefined) throw new Error(`there is no defect ${name}; there are ${Object.keys(plants).join(', ')}`);
  registerHooks({
    load: (url, context, nextLoad) => {
      const defects = url.startsWith('file:') ? found.filter(({ file }) => fileURLToPath(url).endsWith(file)) : [];
      if (defects.length === 0) return nextLoad(url, context);
      const text = readFileSync(fileURLToPath(url), 'utf8');
      return { format: 'module', shortCircuit: true, source: defects.reduce(withDefect, text) };
    },
  });
}

function withDefect(text: string, { file, find, replace }: Plant): string {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`${file} holds ${parts.length - 1} times what the defect is put in place of`);
  return parts.join(replace);
}
