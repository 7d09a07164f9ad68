import { type LegFault, MAX_LEG_FAULTS, type ObservedVolume } from '@flexbso/contracts';
import type { LegFinding } from '@flexbso/dataplane-port';

/** A data plane that still finds something tells of it at most a second later; ten of these are quiet. */
export const QUIET_MS = 10_000;

interface Kept {
  fault: LegFault;
  /** The last finding was written over with the majority's content. */
  isWrittenOver: boolean;
}

/**
 * What this life of the agent was told of one volume's bad legs, merged by leg and kind. A disk that is bad for days
 * is found so once a second, and nobody needs to hear that: told is what is new, what has doubled, and what became
 * quiet. So a fault that was found n times was told of some log2(n) times.
 */
export class LegFaults {
  readonly #kept = new Map<string, Kept>();
  #told: readonly LegFault[] = [];
  #version = 0;

  /** As it was last worth telling; at most {@link MAX_LEG_FAULTS}. */
  get told(): readonly LegFault[] {
    return this.#told;
  }

  /** Another number each time that there is something new to tell. */
  get version(): number {
    return this.#version;
  }

  /** @returns whether that is to be told now */
  note({ isWrittenOver, ...found }: LegFinding, nowMs: number): boolean {
    const key = `${found.legId} ${found.kind}`;
    const known = this.#kept.get(key);
    // Beyond the contract's bound: legs of more than two stacks at once, which no change has.
    if (!known && this.#kept.size === MAX_LEG_FAULTS) return false;
    // What was repaired is over: what is found then is another fault.
    const fault =
      known && !known.fault.repaired
        ? merged(known.fault, found, nowMs)
        : { ...found, findings: 1, firstAtMs: nowMs, lastAtMs: nowMs, repaired: false };
    this.#kept.set(key, { fault, isWrittenOver });
    const said = this.#saidOf(fault);
    const isNews = !said || said.repaired || fault.findings >= 2 * said.findings;
    if (isNews) this.#tell();
    return isNews;
  }

  /** To be called at every look: what has been quiet is told with all its findings, and as repaired if it was. */
  look(nowMs: number): void {
    let isNews = false;
    for (const kept of this.#kept.values()) {
      if (nowMs - kept.fault.lastAtMs < QUIET_MS) continue;
      kept.fault = { ...kept.fault, repaired: kept.isWrittenOver };
      const said = this.#saidOf(kept.fault);
      isNews ||= said?.findings !== kept.fault.findings || said.repaired !== kept.fault.repaired;
    }
    if (isNews) this.#tell();
  }

  /** Only these legs are open any more. */
  keep(legIds: ReadonlySet<string>): void {
    for (const [key, { fault }] of this.#kept) if (!legIds.has(fault.legId)) this.#kept.delete(key);
    this.#told = this.#told.filter(({ legId }) => legIds.has(legId));
  }

  #saidOf({ legId, kind }: LegFault): LegFault | undefined {
    return this.#told.find((one) => one.legId === legId && one.kind === kind);
  }

  #tell(): void {
    this.#told = [...this.#kept.values()].map(({ fault }) => fault);
    this.#version++;
  }
}

function merged(known: LegFault, found: Pick<LegFault, 'offsetBytes' | 'lengthBytes'>, nowMs: number): LegFault {
  const offsetBytes = Math.min(known.offsetBytes, found.offsetBytes);
  const endBytes = Math.max(known.offsetBytes + known.lengthBytes, found.offsetBytes + found.lengthBytes);
  const span = { offsetBytes, lengthBytes: endBytes - offsetBytes };
  return { ...known, ...span, findings: known.findings + 1, lastAtMs: nowMs };
}

export function openLegIds({ stacks }: ObservedVolume): Set<string> {
  return new Set(stacks.flatMap(({ legs }) => legs.map(({ legId }) => legId)));
}
