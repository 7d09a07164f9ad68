import { expect, it, vi } from 'vitest';

function refuse(): never {
  throw new Error('a simulation has no use for it');
}
vi.mock('@nestjs/common', refuse);
vi.mock('typeorm', refuse);
vi.mock('@flexbso/messaging', refuse);

it('decides without Nest, TypeORM and NATS', async () => {
  const deciding = await import('./deciding.js');
  expect(Object.keys(deciding)).toContain('Scheduler');
});
