import { readIfThere } from '../files/read-if-there.js';

/** A kernel's last words are a screenful. */
const LAST_LINES = 25;

/** The end of a guest's console, for an error that has to say why. */
export async function lastWords(consoleFile: string): Promise<string> {
  const text = await readIfThere(consoleFile);
  if (text === null) return 'its console is silent';
  const lines = text.trimEnd().split('\n');
  return `the end of its console (${consoleFile}):\n${lines.slice(-LAST_LINES).join('\n')}`;
}
