import { describe, expect, test } from 'vitest';
import { databaseOptions } from './database-options.js';

const contents = { entities: [], migrations: [], schema: 'inventory' };

describe('the database URL', () => {
  test('names a SQLite file by an absolute path, percent-encoded where a URL needs it', () => {
    const options = databaseOptions('sqlite:///var/lib/flexbso/my%20inventory.db', contents);
    expect(options).toMatchObject({
      type: 'better-sqlite3',
      database: '/var/lib/flexbso/my inventory.db',
      enableWAL: true,
    });
  });

  test('names a PostgreSQL server, on which the service has a schema of its own', () => {
    const options = databaseOptions('postgres://bso:pw@db:5433/flexbso', contents);
    expect(options).toMatchObject({
      type: 'postgres',
      schema: 'inventory',
      extra: { options: '-c search_path=inventory' },
    });
  });

  test.each(['mysql://db/x', 'not a url', 'sqlite://relative.db', 'sqlite:///', ''])('%j is refused', (url) => {
    expect(() => databaseOptions(url, contents)).toThrow(expect.objectContaining({ code: 'database-url-unsupported' }));
  });

  test('a refusal does not repeat the password', () => {
    expect(() => databaseOptions('mysql://bso:hunter2@db/x', contents)).toThrow(/^(?!.*hunter2)/);
  });

  test.each(['Inventory', 'a-b', 'x"; DROP', ''])('the schema %j is refused', (schema) => {
    const open = () => databaseOptions('postgres://db/x', { ...contents, schema });
    expect(open).toThrow(expect.objectContaining({ code: 'database-schema-invalid' }));
  });
});
