import { expect, test, vi } from 'vitest';
import { jobsReply, nothing } from '../qmp/replies.js';
import { copyJob } from '../graph/node-names.js';
import { installedQemus } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 16 * MIB;

type Execute = (command: string, args: object) => Promise<unknown>;

/** The monitor of the volume, as its agent had it; only one client at a time is served. */
async function withMonitor<T>(volume: TestVolume, use: (execute: Execute) => Promise<T>): Promise<T> {
  await volume.site.card.close();
  const { qmp } = volume.site.daemonIn(volume.site.cardOptions.runDirectory, volume.volumeId);
  try {
    return await use((command, args) => qmp.execute(command, args, nothing));
  } finally {
    await qmp.close();
  }
}

const untilConcluded = (execute: Execute) =>
  vi.waitFor(async () => expect(jobsReply.parse(await execute('query-jobs', {}))[0]?.status).toBe('concluded'), {
    timeout: 20_000,
  });

for (const qemu of installedQemus()) {
  async function volumeWithTwoStacks() {
    const site = await makeSite(qemu);
    const volume = new TestVolume(site, sizeBytes);
    const [old, next] = [await volume.addLeg('host', 'leg-000000000a'), await volume.addLeg('host', 'leg-000000000b')];
    await volume.perform(...volume.create(old));
    await site.guest.write(volume.volumeId, 0, Buffer.alloc(sizeBytes, 'pattern '));
    await volume.perform(...volume.build(2, next));
    return { site, volume, old };
  }

  test(`${qemu.name}: an agent that dies while a copy runs leaves it running, and the next one waits for its end`, async () => {
    const { site, volume } = await volumeWithTwoStacks();
    const slow = volume.copy(2, 8 * MIB);
    const stop = new AbortController();
    const waiting = site.card
      .perform(volume.volumeId, slow, volume.context({ signal: stop.signal }))
      .catch((reason: unknown) => reason);
    await vi.waitFor(async () => expect((await volume.observe()).copy?.state).toBe('running'));
    stop.abort();
    expect(await waiting).toMatchObject({ retryable: true });
    await site.restartCard();
    const progress: number[] = [];
    await site.card.perform(
      volume.volumeId,
      slow,
      volume.context({ onProgress: ({ doneBytes }) => progress.push(doneBytes) }),
    );
    expect(progress.length).toBeGreaterThan(1);
    expect((await volume.observe()).copy).toMatchObject({
      toStackGeneration: 2,
      state: 'ready',
      doneBytes: sizeBytes,
      totalBytes: sizeBytes,
    });
  });

  test(`${qemu.name}: an agent that dies right after the cut-over finds it done`, async () => {
    const { volume, old } = await volumeWithTwoStacks();
    await volume.perform(volume.copy(2, 256 * MIB));
    await withMonitor(volume, async (execute) => {
      await execute('job-complete', { id: copyJob(2) });
      await untilConcluded(execute);
    });
    await volume.site.restartCard();
    expect(await volume.observe()).toMatchObject({
      head: { stackGeneration: 2 },
      copy: { state: 'done', error: null },
    });
    await volume.perform(volume.cutOver(2), volume.retire(1, old));
    expect(await volume.observe()).toMatchObject({
      head: { stackGeneration: 2 },
      copy: null,
      stacks: [{ stackGeneration: 2 }],
    });
  });

  test(`${qemu.name}: a copy that was cancelled behind the agent's back is never cut over, and is undone`, async () => {
    const { volume } = await volumeWithTwoStacks();
    await volume.perform(volume.copy(2, 256 * MIB));
    await withMonitor(volume, async (execute) => {
      await execute('job-cancel', { id: copyJob(2) });
      await untilConcluded(execute);
    });
    await volume.site.restartCard();
    expect(await volume.observe()).toMatchObject({
      head: { stackGeneration: 1 },
      copy: { state: 'failed', error: 'Operation canceled' },
    });
    await expect(volume.perform(volume.cutOver(2))).rejects.toMatchObject({ problem: { code: 'needs-operator' } });
    await volume.site.card.undo(volume.volumeId, volume.copy(2, 256 * MIB), volume.context());
    expect(await volume.observe()).toMatchObject({ head: { stackGeneration: 1 }, copy: null });
  });

  test(`${qemu.name}: a monitor that another client holds is unavailable for now, and nothing hangs`, async () => {
    const { site, volume } = await volumeWithTwoStacks();
    await site.card.close();
    const other = site.daemonIn(site.cardOptions.runDirectory, volume.volumeId);
    await other.qmp.execute('query-jobs', {}, jobsReply);
    const card = await site.restartCard({ commandTimeoutMs: 500 });
    await expect(card.observe(volume.volumeId)).rejects.toMatchObject({
      retryable: true,
      problem: { code: 'data-plane-failed' },
    });
    await other.qmp.close();
    expect((await card.observe(volume.volumeId)).running).toBe(true);
  });
}
