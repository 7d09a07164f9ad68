import { type DesiredVolume, capabilityNameSchema } from '@flexbso/contracts';
import { acceptedPlanOf, expectedObservation, nothingObserved, planCard, plannedVolumeOf } from '@flexbso/stack';
import { eventually, installedTools } from '@flexbso/testkit';
import { open, readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentProcess } from './testing/agent-process.js';

const VOLUME_ID = 'vol-0000000001';
const SIZE_BYTES = 8 * 1024 ** 2;
const capabilities = { has: capabilityNameSchema.options.map((name) => ({ name, limits: {} })), lacks: [] };

function dataPlaneIn(folder: string) {
  const { qemuStorageDaemon, setpriv } = installedTools();
  return {
    driver: 'qsd',
    qemuStorageDaemonPath: qemuStorageDaemon,
    setprivPath: setpriv,
    runDirectory: join(folder, 'run'),
    dataPlaneUser: null,
    functions: [{ functionId: 'vf-0', kind: 'vf', protocols: ['nbd'] }],
    budget: { iops: 1000, bytesPerSecond: 1_000_000_000, memoryBytes: 1024 ** 3, armCentiCores: 100 },
  };
}

function desiredOf(
  folder: string,
  generation: number,
  before: DesiredVolume | null,
  difference: Partial<DesiredVolume>,
): DesiredVolume {
  const number = String(generation).padStart(10, '0');
  const leg = { legId: 'leg-0000000001', poolId: 'pool-1', epoch: 1, sizeBytes: SIZE_BYTES };
  const address = { kind: 'file' as const, path: join(folder, 'leg.raw') };
  const desired: DesiredVolume = {
    volumeId: VOLUME_ID,
    revision: 1,
    generation,
    operationId: `op-${number}`,
    changeId: `chg-${number}`,
    origin: 'person',
    tombstone: false,
    sizeBytes: SIZE_BYTES,
    qos: null,
    export: { protocol: 'nbd', functionId: 'vf-0' },
    stack: { stackGeneration: 1, layers: [], encryptionKey: null, legs: [{ ...leg, address, access: null }] },
    copyBytesPerSecond: 64 * 1024 ** 2,
    plan: { digest: '0'.repeat(64), cutOver: false, destroys: [] },
    trace: {},
    ...difference,
  };
  const observed = before ? expectedObservation(plannedVolumeOf(before)) : nothingObserved(VOLUME_ID);
  const applied = before ? 1 : null;
  const plan = planCard({
    cardId: 'card-1',
    observed,
    desired: plannedVolumeOf(desired),
    appliedStackGeneration: applied,
    capabilities,
  });
  return plan.ok ? { ...desired, plan: acceptedPlanOf(plan.steps) } : desired;
}

describe('the agent as a process', () => {
  let agent: AgentProcess;
  let wanted: DesiredVolume | null = null;
  beforeEach(async () => {
    wanted = null;
    agent = await AgentProcess.prepare(dataPlaneIn);
    await using leg = await open(join(agent.folder, 'leg.raw'), 'w', 0o600);
    await leg.truncate(SIZE_BYTES);
  });
  afterEach(async () => {
    // A data plane outlives its agent: it ends by a tombstone.
    if (wanted && !wanted.tombstone) {
      await agent.end('SIGKILL');
      await agent.start();
      await want({ tombstone: true }, 'gone');
    }
    await agent.dispose();
  });

  async function want(difference: Partial<DesiredVolume>, phase: string) {
    const generation = (wanted?.generation ?? 0) + 1;
    wanted = desiredOf(agent.folder, generation, wanted, difference);
    const { operationId } = wanted;
    await agent.scheduler.want(VOLUME_ID, wanted);
    await eventually(`${phase} is said`, () => agent.scheduler.said(operationId)?.phase === phase);
    return agent.scheduler.said(operationId);
  }

  it('registers, serves a volume, survives kill -9 without touching its data plane, and adopts it', async () => {
    const first = await agent.start();
    await want({}, 'settled');
    expect(agent.scheduler.registrations).toBe(1);
    await agent.end('SIGKILL');
    const second = await agent.start();
    expect(Number(second['sessionNumber'])).toBeGreaterThan(Number(first['sessionNumber']));
    const report = await want({ qos: { iopsTotal: 500 } }, 'settled');
    expect(report?.steps.map(({ kind }) => kind)).toEqual(['set-limits']);
    expect(report?.observed?.head?.qos).toEqual({ iopsTotal: 500 });
    await eventually('it measures', () => agent.scheduler.measures > 0);
  });

  it('makes its sealing key once, with mode 0600, and ends in order when it is told to', async () => {
    await agent.start();
    await want({}, 'settled');
    const seedFile = join(agent.folder, 'sealing.seed');
    expect((await stat(seedFile)).mode & 0o777).toBe(0o600);
    const seed = await readFile(seedFile, 'utf8');
    expect(await agent.end('SIGTERM')).toBe(0);
    await agent.start();
    expect(await readFile(seedFile, 'utf8')).toBe(seed);
    expect(agent.output).not.toContain(seed.trim());
    expect(await readdir(join(agent.folder, 'state', 'journal'))).toEqual([`${VOLUME_ID}.jsonl`]);
  });

  it('does not start beside another on the same state', async () => {
    const { pid } = await agent.start();
    await expect(agent.start()).rejects.toThrow('another agent runs on');
    process.kill(Number(pid), 'SIGKILL');
  });

  it('does not start with a configuration that it does not know, and names the field', async () => {
    const unknown = await AgentProcess.prepare((folder) => ({ ...dataPlaneIn(folder), colour: 'blue' }));
    await expect(unknown.start()).rejects.toThrow('colour');
    await unknown.dispose();
  });
});
