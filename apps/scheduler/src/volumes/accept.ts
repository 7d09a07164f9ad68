import { ProblemError, type Plan } from '@flexbso/contracts';
import { type Aggregate, type Draft, draftOf } from '../changes/draft.js';
import { type ChangeRecord, supersededBy } from '../changes/change-record.js';
import { advance, announce, announceVolume, endEvent } from '../changes/saga.js';
import { isFinal } from '../changes/transitions.js';
import type { Decision } from '../decisions.js';
import { takeFromCard } from '../desired/desired-items.js';
import { sealAnew } from '../keys/seal-anew.js';
import type { Vault } from '../keys/vault.js';
import type { Proposal } from './proposal.js';
import type { VolumeWant } from './volume-record.js';

/** A client that saw a plan may bind itself to it: another plan is not run. */
export function assertSamePlan(plan: Plan, acceptedDigest: string | undefined): void {
  if (acceptedDigest === undefined || acceptedDigest === plan.digest) return;
  throw new ProblemError({
    code: 'plan-changed',
    detail: `the plan would now be ${plan.digest.slice(0, 12)}…, and ${acceptedDigest.slice(0, 12)}… was accepted; look at the plan again`,
    facts: {
      acceptedDigest,
      digest: plan.digest,
      steps: plan.steps.map(({ actor, step }) => `${actor.role} ${actor.id}: ${step.kind}`),
    },
  });
}

/** Begins the change: what is wanted, reserved and to be told to pools and cards, written in one transaction. */
export async function accept(
  decision: Decision,
  vault: Vault,
  present: Aggregate | null,
  proposal: Proposal,
): Promise<Draft> {
  const { deciding } = decision;
  const isFailover = proposal.change.kind === 'failover';
  const isFunctionMoved = proposal.change.differences.includes('function');
  // What another card was given is not what this one has.
  const given = isFailover ? null : (present?.given ?? null);
  const draft = draftOf({ ...proposal, keys: present?.keys ?? [], given });
  const { change, volume } = draft;
  volume.changeId = change.changeId;
  makeKey(draft, vault, volume.want);
  if (change.next) makeKey(draft, vault, change.next.want);
  await takeBaseKeys(decision, draft, vault);
  if (isFailover || (proposal.change.kind === 'attach' && !isFunctionMoved)) sealKeys(draft, vault);
  if (isFailover) takeFromFormerCard(draft, present);
  if (present && !isFinal(present.change.state)) supersede(draft, present.change, deciding.nowMs);
  const queued = present?.volume.followUp?.change;
  if (queued && change.kind === 'delete') supersede(draft, queued, deciding.nowMs);
  announce(draft, 'planned', { steps: change.plan.steps.length, differences: change.differences });
  if (change.kind === 'create') announceVolume(draft, 'created');
  if (isFinal(change.state)) {
    announce(draft, change.state);
    if (change.differences.length > 0) announceVolume(draft, 'changed');
  }
  advance(draft, deciding);
  await decision.write(present, draft, { by: change.requestedBy, judged: true });
  return draft;
}

function makeKey(draft: Draft, vault: Vault, { keyRef, stackGeneration }: VolumeWant): void {
  const { volumeId } = draft.volume;
  const sealingKey = draft.legs.find((leg) => leg.stackGeneration === stackGeneration)?.holder.sealingKey;
  if (keyRef === null || sealingKey === undefined || draft.keys.some((key) => key.keyRef === keyRef)) return;
  draft.keys.push(vault.make({ keyRef, volumeId, stackGeneration }, sealingKey));
}

/** A clone opens what it stands on with keys of its own name, so that it has them whatever becomes of the others. */
async function takeBaseKeys({ tx }: Decision, draft: Draft, vault: Vault): Promise<void> {
  const { volumeId, want } = draft.volume;
  for (const { keyRef, origin, stackGeneration } of want.bases ?? []) {
    if (keyRef === null || origin === undefined || draft.keys.some((key) => key.keyRef === keyRef)) continue;
    const key = (await tx.keysOf(origin.volumeId)).find((one) => one.stackGeneration === stackGeneration);
    if (!key) throw new Error(`the key of stack ${stackGeneration} of ${origin.volumeId} is not in the database`);
    draft.keys.push(vault.renamed(key, { keyRef, volumeId, stackGeneration }));
  }
}

/** Seals the volume's keys to the card that takes it over. */
function sealKeys(draft: Draft, vault: Vault): void {
  const sealingKey = draft.legs[0]?.holder.sealingKey;
  if (sealingKey !== undefined) sealAnew(draft, sealingKey, vault);
}

/** Tells the card that it is taken from. */
function takeFromFormerCard(draft: Draft, present: Aggregate | null): void {
  const left = draft.volume.formerCards.find(({ cardId }) => cardId === present?.volume.cardId);
  if (present?.given && left) takeFromCard(draft, present.given, left);
}

/**
 * A failover, or a deletion, takes the place of one that has not ended: that one ends as undone, having changed nothing
 * that this one keeps. A deletion also takes that of one that is queued.
 */
function supersede(draft: Draft, before: ChangeRecord, nowMs: number): void {
  const ended = supersededBy(before, draft.change, nowMs);
  draft.superseded.push(ended);
  draft.events.push(endEvent(ended));
}
