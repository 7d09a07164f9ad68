import type { Machine } from '../processes/agent-host.js';

const CARDS = 3;
const POOLS = 3;

/** Of a run: cards, pools on the network, and one pool on a card's own host. */
export function machines(): Machine[] {
  const cards = Array.from({ length: CARDS }, (_, index) => ({
    role: 'card' as const,
    id: `card-${index + 1}`,
    host: `host-${index + 1}`,
    rack: `rack-${index + 1}`,
  }));
  const pools = Array.from({ length: POOLS }, (_, index) => ({
    role: 'pool' as const,
    id: `pool-${index + 1}`,
    host: `target-${index + 1}`,
    rack: `rack-${index + 11}`,
  }));
  const local = { role: 'pool' as const, id: 'pool-local', host: 'host-1', rack: 'rack-1', reach: 'host' as const };
  return [...pools, local, ...cards];
}
