import { ProblemError } from '@flexbso/contracts';
import type { Aggregate } from '../changes/draft.js';
import { isFinal } from '../changes/transitions.js';
import type { Decision, Decisions } from '../decisions.js';
import { borrowedLegs } from '../snapshots/kept-stacks.js';
import { accept } from '../volumes/accept.js';
import { assertFollowed } from '../volumes/assert-followed.js';
import { isCarriedByNobody } from '../volumes/propose-failover.js';
import { proposeReplacement } from '../volumes/propose-change.js';
import { degradedOf } from './degraded.js';

/** In one look; the others come with the next. More volumes than this lose a leg at once when a pool goes. */
const MAX_BEGUN = 20;
/** As much as one look reads; a fleet with more degraded volumes has other troubles than the rest of them. */
const MAX_LOOKED_AT = 1_000;

/** Finds volumes that have had a bad leg for a set time, and has each swapped onto sound legs. */
export class HealthWatch {
  readonly #decisions: Decisions;
  readonly #replaceLegAfterMs: number;
  #degraded = 0;
  /** Why a volume could not be healed, by its id: said once. */
  readonly #said = new Map<string, string>();

  constructor(decisions: Decisions, replaceLegAfterMs: number) {
    this.#decisions = decisions;
    this.#replaceLegAfterMs = replaceLegAfterMs;
  }

  /** How many volumes were degraded at the last look. */
  get degraded(): number {
    return this.#degraded;
  }

  /** To be called every few seconds. */
  async look(): Promise<void> {
    const { store } = this.#decisions.ports;
    const volumes = await store.read((reader) => reader.volumesWithBadLegs(MAX_LOOKED_AT));
    let [degraded, begun] = [0, 0];
    for (const volume of volumes) {
      if (degradedOf(volume, await store.read((reader) => reader.legsOf(volume.volumeId))) === null) continue;
      degraded++;
      if (begun < MAX_BEGUN && (await this.#heal(volume.volumeId))) begun++;
    }
    this.#degraded = degraded;
    const known = new Set(volumes.map(({ volumeId }) => volumeId));
    for (const volumeId of this.#said.keys()) if (!known.has(volumeId)) this.#said.delete(volumeId);
  }

  /** @returns whether a change was begun */
  async #heal(volumeId: string): Promise<boolean> {
    try {
      const isBegun = await this.#decisions.run((decision) => this.#begin(decision, volumeId));
      if (isBegun) this.#said.delete(volumeId);
      return isBegun;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      const { code, detail } = error.problem;
      const { alarms } = this.#decisions.ports;
      if (this.#said.get(volumeId) !== code)
        alarms.warn('a degraded volume has no new leg', { volumeId, code, detail });
      this.#said.set(volumeId, code);
      return false;
    }
  }

  async #begin(decision: Decision, volumeId: string): Promise<boolean> {
    const { fleet, vault, tracing } = this.#decisions.ports;
    const present = await decision.read(volumeId);
    if (!present || !this.#isDue(present, decision.deciding.nowMs)) return false;
    assertFollowed(fleet, present);
    const bad = new Set(degradedOf(present.volume, present.legs)?.legIds);
    const carrying = [...present.legs, ...borrowedLegs(present.volume.want)];
    const badLegs = carrying.filter(({ legId }) => bad.has(legId));
    const asking = {
      caller: { name: 'scheduler', role: 'operator' as const, tenantId: null },
      trace: tracing.headers(),
    };
    const proposal = proposeReplacement({ fleet, deciding: decision.deciding }, present, badLegs, asking);
    await accept(decision, vault, present, proposal);
    return true;
  }

  /** Another change comes first; a healing that failed is tried again after as long a time. */
  #isDue(present: Aggregate, nowMs: number): boolean {
    const { volume, change, legs } = present;
    const degraded = degradedOf(volume, legs);
    if (degraded === null || volume.state !== 'ready' || !isFinal(change.state) || volume.followUp) return false;
    if (isCarriedByNobody(present)) return false;
    const failedAtMs = change.kind === 'heal' && change.state !== 'settled' ? (change.settledAtMs ?? 0) : 0;
    return nowMs - Math.max(degraded.sinceMs, failedAtMs) >= this.#replaceLegAfterMs;
  }
}
