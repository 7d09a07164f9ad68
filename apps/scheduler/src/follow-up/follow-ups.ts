import { type Problem, ProblemError } from '@flexbso/contracts';
import { draftOf } from '../changes/draft.js';
import { isFinal } from '../changes/transitions.js';
import type { Decision, Decisions } from '../decisions.js';
import { accept } from '../volumes/accept.js';
import { assertFollowed } from '../volumes/assert-followed.js';
import { proposeChange } from '../volumes/propose-change.js';
import { patchOf } from './follow-up.js';
import { endFollowUp, noteFollowUpWait } from './queue.js';

/** It may begin yet: the next look tries again. */
const passing: readonly Problem['code'][] = ['diverged', 'unavailable'];

/** Begins what was queued behind a change once that is over. */
export class FollowUps {
  readonly #decisions: Decisions;

  constructor(decisions: Decisions) {
    this.#decisions = decisions;
  }

  /** For what could not begin when its turn came, and after a start. To be called every few seconds. */
  async look(): Promise<void> {
    const open = await this.#decisions.ports.store.read((reader) => reader.openChanges());
    for (const { volumeId, state } of open) if (state === 'queued') await this.begin(volumeId);
  }

  /** Nothing is done while another change of the volume is under way, or nothing follows it. */
  async begin(volumeId: string): Promise<void> {
    try {
      await this.#decisions.run((decision) => this.#begin(decision, volumeId));
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      const { problem } = error;
      if (passing.includes(problem.code)) {
        await this.#decisions.run((decision) => this.#noteWait(decision, volumeId, problem));
        return;
      }
      await this.#decisions.run((decision) => this.#refuse(decision, volumeId, problem));
    }
  }

  async #begin(decision: Decision, volumeId: string): Promise<void> {
    const { fleet, vault } = this.#decisions.ports;
    const present = await decision.read(volumeId);
    const followUp = present?.volume.followUp;
    if (!present || !followUp || !isFinal(present.change.state)) return;
    assertFollowed(fleet, present);
    const { changeId, createdAtMs, trace } = followUp.change;
    const free = { ...present, volume: { ...present.volume, followUp: null } };
    const proposal = proposeChange(
      { fleet, deciding: decision.deciding },
      free,
      patchOf(followUp, present.change, present.volume.want),
      { caller: followUp.caller, trace },
    );
    await accept(decision, vault, present, { ...proposal, change: { ...proposal.change, changeId, createdAtMs } });
  }

  /** Its turn has come, so it waits for something else than before. */
  async #noteWait(decision: Decision, volumeId: string, { detail }: Problem): Promise<void> {
    const present = await decision.read(volumeId);
    if (!present?.volume.followUp || !isFinal(present.change.state)) return;
    const draft = draftOf(present);
    const isNews = noteFollowUpWait(draft, `card ${present.volume.cardId}: ${detail}`.slice(0, 300), decision.deciding);
    if (isNews) await decision.write(present, draft, { by: 'scheduler', judged: false });
  }

  async #refuse(decision: Decision, volumeId: string, problem: Problem): Promise<void> {
    const present = await decision.read(volumeId);
    if (!present?.volume.followUp || !isFinal(present.change.state)) return;
    const draft = draftOf(present);
    endFollowUp(draft, 'refused', problem, decision.deciding.nowMs);
    await decision.write(present, draft, { by: 'scheduler', judged: false });
  }
}
