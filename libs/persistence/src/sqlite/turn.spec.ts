import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { Turn } from './turn.js';

describe('a turn', () => {
  test('has one holder at a time, in the order of asking, whatever is given back twice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }), async (givesBackTwice) => {
        const turn = new Turn();
        const order: number[] = [];
        let holders = 0;
        await Promise.all(
          givesBackTwice.map(async (twice, index) => {
            const giveBack = await turn.take();
            holders += 1;
            expect(holders).toBe(1);
            order.push(index);
            await Promise.resolve();
            holders -= 1;
            giveBack();
            if (twice) giveBack();
          }),
        );
        expect(order).toEqual(givesBackTwice.map((_, index) => index));
      }),
    );
  });

  test('is refused at once when too many wait', async () => {
    const turn = new Turn({ maxWaiting: 1, maxWaitMs: 60_000 });
    const giveBack = await turn.take();
    const second = turn.take();
    await expect(turn.take()).rejects.toMatchObject({ code: 'database-busy' });
    giveBack();
    (await second)();
  });

  test('is refused to who waited too long, and goes to the next', async () => {
    vi.useFakeTimers();
    try {
      const turn = new Turn({ maxWaiting: 10, maxWaitMs: 1_000 });
      const giveBack = await turn.take();
      const [late] = await Promise.all([Promise.allSettled([turn.take()]), vi.advanceTimersByTimeAsync(1_000)]);
      expect(late).toMatchObject([{ status: 'rejected', reason: { code: 'database-busy' } }]);
      const next = turn.take();
      giveBack();
      (await next)();
    } finally {
      vi.useRealTimers();
    }
  });
});
